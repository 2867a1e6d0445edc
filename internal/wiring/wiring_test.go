package wiring_test

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

func source(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// without removes a top-level resource with its comment lines left in place.
func without(src, resource string) string {
	var out []string
	skip := false
	for line := range strings.SplitSeq(src, "\n") {
		if line != "" && !strings.HasPrefix(line, "   ") {
			skip = line == "  "+resource+":"
		}
		if !skip {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestTemplateAsShipped(t *testing.T) {
	t.Parallel()
	w, err := wiring.Parse("template.yaml", []byte(source(t)))
	if err != nil {
		t.Fatal(err)
	}
	type lane struct {
		consumer                              string
		batch, receives                       int
		window, timeout, visibility, retained time.Duration
		dead                                  queue.Lane
	}
	const days = 24 * time.Hour
	want := map[queue.Lane]lane{
		queue.High:   {"worker", 10, 5, 0, time.Minute, 90 * time.Second, 14 * days, queue.Dead},
		queue.Normal: {"worker", 10, 5, 0, time.Minute, 90 * time.Second, 14 * days, queue.Dead},
		queue.Low:    {"worker", 10, 5, time.Second, time.Minute, 90 * time.Second, 14 * days, queue.Dead},
		queue.Solo:   {"worker", 1, 5, 0, 15 * time.Minute, 16 * time.Minute, 14 * days, queue.Dead},
		queue.Dead:   {"deadletter", 10, 0, 0, time.Minute, 90 * time.Second, 14 * days, ""},
	}
	for name, l := range want {
		g := w.Lanes[name]
		if got := (lane{g.Consumer, g.Batch, g.MaxReceives, g.Window, g.Timeout, g.Visibility, g.Retention, g.DeadLetter}); got != l {
			t.Errorf("lane %s: got %+v, want %+v", name, got, l)
		}
	}
	if len(w.Schedules) != 1 || w.Schedules[0] != (wiring.Schedule{Function: "sweeper", Every: time.Minute}) {
		t.Errorf("schedules: %+v", w.Schedules)
	}
	if len(w.FunctionURLs) != 1 || w.FunctionURLs[0] != "WebhookFunction" {
		t.Errorf("function URLs: %v", w.FunctionURLs)
	}
	f, _ := w.Function("worker")
	if f.Env["STEPLINE_SOLO_LEASE"] != "65s" || f.Timeout != time.Minute {
		t.Errorf("worker: %+v", f)
	}
	if f.Memory != 1024 || w.Lanes[queue.Normal].Memory != 1024 || w.Lanes[queue.Dead].Memory != 512 {
		t.Errorf("memory: worker %d, lanes %+v", f.Memory, w.Lanes)
	}
	if _, ok := f.Env["STEPLINE_TABLE"]; ok {
		t.Error("STEPLINE_TABLE is filled in by AWS and must not have a value here")
	}
	if v, ok := f.Env["STEPLINE_CALLBACK_KEYS"]; ok {
		t.Errorf("STEPLINE_CALLBACK_KEYS is a secret that is given when deploying and must not have the value %q here", v)
	}
}

// TestMemoryGoesWithTheBatch: every batch size that may be chosen has its
// memory, more for more executions at once.
func TestMemoryGoesWithTheBatch(t *testing.T) {
	t.Parallel()
	before := 0
	for n := 1; n <= queue.MaxBatch; n++ {
		w, err := wiring.ReadWith("../../template.yaml", map[string]string{"BatchSize": strconv.Itoa(n)})
		if err != nil {
			t.Fatal(err)
		}
		l := w.Lanes[queue.High]
		if l.Batch != n || l.Memory < before || l.Memory < 256 || w.Lanes[queue.Solo].Memory != 1024 {
			t.Errorf("batch %d: %+v, solo %+v", n, l, w.Lanes[queue.Solo])
		}
		before = l.Memory
	}
	if _, err := wiring.ReadWith("../../template.yaml", map[string]string{"Batches": "1"}); err == nil || !strings.Contains(err.Error(), "has no parameter Batches") {
		t.Errorf("a parameter that does not exist: %v", err)
	}
}

func TestChangesAreFollowed(t *testing.T) {
	t.Parallel()
	src := source(t)
	src = wiringtest.Edit(t, src, "Method: POST, Path: /v1/executions}", "Method: POST, Path: /v2/starts}",
		"BatchSize: !Ref BatchSize", "BatchSize: 3",
		"maxReceiveCount: !Ref LaneReceives", "maxReceiveCount: 7",
		"Schedule: rate(1 minute)", "Schedule: rate(2 hours)\n            Enabled: true",
		"Default: 90\n", "Default: 120\n")
	w, err := wiring.Parse("copy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if r := w.Routes[0]; r.Operation != "PostExecutions" || r.Path != "/v2/starts" || r.Function != "execute" || r.Method != http.MethodPost {
		t.Errorf("route: %+v", r)
	}
	if l := w.Lanes[queue.High]; l.Batch != 3 || l.MaxReceives != 7 || l.Visibility != 2*time.Minute {
		t.Errorf("lane high: %+v", l)
	}
	if l := w.Lanes[queue.Normal]; l.Batch != 10 || l.MaxReceives != 5 {
		t.Errorf("lane normal must not have changed: %+v", l)
	}
	if w.Schedules[0].Every != 2*time.Hour {
		t.Errorf("schedule: %v", w.Schedules[0].Every)
	}
}

func TestMistakesNameResourceAndRemedy(t *testing.T) {
	t.Parallel()
	src := source(t)
	edit := func(old, with string) string { return wiringtest.Edit(t, src, old, with) }
	for name, c := range map[string]struct{ src, want string }{
		"queue removed":       {without(src, "NormalQueue"), "WorkerFunction: event Normal names queue NormalQueue, which is not declared"},
		"dead letters":        {without(src, "DeadLetterQueue"), "HighQueue: RedrivePolicy names queue DeadLetterQueue, which is not declared"},
		"function removed":    {without(src, "StatusFunction"), "has no function with Handler status"},
		"worker removed":      {without(src, "WorkerFunction"), "HighQueue: has no consumer: the function with Handler worker needs an SQS event for it"},
		"solo removed":        {without(src, "SoloFunction"), "SoloQueue: has no consumer"},
		"table removed":       {without(src, "Table"), "names Table, which is not declared"},
		"unknown function":    {edit("Handler: status", "Handler: stats"), "StatusFunction: Handler stats is no function of this version"},
		"unknown lane":        {edit("\n  SoloQueue:\n", "\n  UrgentQueue:\n    Type: AWS::SQS::Queue\n\n  SoloQueue:\n"), "UrgentQueue: is no lane of this version; the lanes' queues are HighQueue,"},
		"route twice":         {edit("Path: /v1/health}", "Path: /v1/executions}"), "StatusFunction: event GetHealth has the route GET /v1/executions, which GetExecutions has already"},
		"ambiguous route":     {edit(`Method: PUT, Path: "/v1/workflows/{name}"`, `Method: GET, Path: "/v1/workflows/{x}"`), "has already"},
		"bad path":            {edit("Path: /v1/health}", "Path: v1/health}"), `event GetHealth has Path "v1/health"`},
		"path made later":     {edit("Path: /v1/health}", "Path: !Sub '/${Stage}/health'}"), "event GetHealth has a Path that is made when deploying"},
		"method made later":   {edit("Method: GET, Path: /v1/health}", "Method: {Ref: Stage}, Path: /v1/health}"), "event GetHealth has a Method that is made when deploying"},
		"proxy path":          {edit("Path: /v1/health}", `Path: "/{proxy+}"}`), `event GetHealth has Path "/{proxy+}"`},
		"bad method":          {edit("Method: GET, Path: /v1/health}", "Method: ANY, Path: /v1/health}"), `event GetHealth has Method "ANY"`},
		"batch too large":     {edit("BatchSize: !Ref BatchSize", "BatchSize: 11"), `WorkerFunction: BatchSize is "11"; it must be a whole number from 1 to 10`},
		"misspelt property":   {edit("BatchSize: !Ref BatchSize", "BatchSzie: 5"), "WorkerFunction: event High has property BatchSzie, which is not understood"},
		"batch on solo":       {edit("BatchSize: 1\n", "BatchSize: 2\n"), "SoloQueue: is consumed with BatchSize 2; the solo lane runs one execution at a time"},
		"whole batch fails":   {edit("            FunctionResponseTypes: [ReportBatchItemFailures]\n", ""), "needs FunctionResponseTypes: [ReportBatchItemFailures]"},
		"no redrive":          {edit("      RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn, maxReceiveCount: !Ref SoloReceives}\n", ""), "SoloQueue: has no RedrivePolicy"},
		"redrive elsewhere":   {edit("deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn", "deadLetterTargetArn: !GetAtt LowQueue.Arn"), "HighQueue: RedrivePolicy names LowQueue"},
		"visibility":          {edit("Default: 960", "Default: 900"), "SoloQueue: has VisibilityTimeout 900; it must exceed its consumer's Timeout of 900"},
		"within the grace":    {edit("Default: 90\n", "Default: 65\n"), "HighQueue: has VisibilityTimeout 65; it must exceed its consumer's Timeout of 60 and STEPLINE_LEASE_GRACE of 5s together"},
		"solo in the grace":   {edit("Default: 960", "Default: 905"), "SoloQueue: has VisibilityTimeout 905; it must exceed"},
		"a longer grace":      {edit("LeaseGrace: {Type: String, Default: 5s", "LeaseGrace: {Type: String, Default: 1m"), "HighQueue: has VisibilityTimeout 90; it must exceed its consumer's Timeout of 60 and STEPLINE_LEASE_GRACE of 1m0s together"},
		"grace by default":    {wiringtest.Edit(t, src, "        STEPLINE_LEASE_GRACE: !Ref LeaseGrace\n", "", "Default: 90\n", "Default: 65\n"), "HighQueue: has VisibilityTimeout 65; it must exceed its consumer's Timeout of 60 and STEPLINE_LEASE_GRACE of 5s together"},
		"grace of no time":    {edit("LeaseGrace: {Type: String, Default: 5s", "LeaseGrace: {Type: String, Default: soon"), `WorkerFunction: has STEPLINE_LEASE_GRACE "soon"; a duration such as 5s is expected`},
		"wrong variable":      {edit("STEPLINE_QUEUE_HIGH: !Ref HighQueue", "STEPLINE_QUEUE_HIGH: !Ref LowQueue"), "STEPLINE_QUEUE_HIGH names LowQueue, which is the low lane"},
		"no solo variable":    {edit("        STEPLINE_QUEUE_SOLO: !Ref SoloQueue\n", ""), "ExecuteFunction: has no variable STEPLINE_QUEUE_SOLO, without which the function does not start; !Ref SoloQueue is expected"},
		"no dead variable":    {edit("          STEPLINE_QUEUE_DEAD: !Ref DeadLetterQueue\n", ""), "DeadletterFunction: has no variable STEPLINE_QUEUE_DEAD"},
		"no table variable":   {edit("        STEPLINE_TABLE: !Ref Table\n", ""), "ExecuteFunction: has no variable STEPLINE_TABLE, without which the function does not start; !Ref Table is expected"},
		"empty variable":      {edit("STEPLINE_TABLE: !Ref Table\n", "STEPLINE_TABLE: \"\"\n"), "ExecuteFunction: has no variable STEPLINE_TABLE"},
		"overridden away":     {edit("      Environment:\n        Variables:\n          STEPLINE_PUBLIC_URL", "      Environment:\n        Variables:\n          STEPLINE_TABLE: \"\"\n          STEPLINE_PUBLIC_URL"), "ExecuteFunction: has no variable STEPLINE_TABLE"},
		"no globals":          {edit("\nGlobals:\n", "\nMetadata:\n"), "ExecuteFunction: has no variable STEPLINE_QUEUE_HIGH"},
		"schedule off":        {edit("Schedule: rate(1 minute)", "Schedule: rate(1 minute)\n            Enabled: false"), `SweeperFunction: event EveryMinute has Enabled "false"; it must be true`},
		"schedule off by If":  {edit("Schedule: rate(1 minute)", "Schedule: rate(1 minute)\n            Enabled: !If [HasPublicUrl, true, false]"), `SweeperFunction: event EveryMinute has Enabled "false"; it must be true`},
		"two documents":       {src + "\n---\na: 1\n", "begins a second YAML document; a template is one"},
		"nothing after ---":   {src + "\n---\n", "begins a second YAML document"},
		"second unreadable":   {src + "\n---\n[\n", "not readable as YAML"},
		"schedule":            {edit("rate(1 minute)", "cron(0 * * * ? *)"), `SweeperFunction: event EveryMinute has Schedule "cron(0 * * * ? *)"; a rate such as rate(1 minute)`},
		"schedule removed":    {edit("          Type: Schedule\n          Properties:\n            Schedule: rate(1 minute)\n", "          Type: SQS\n"), "event EveryMinute names no queue"},
		"event type":          {edit("Type: Schedule\n", "Type: S3\n"), `event EveryMinute has Type "S3"; it must be HttpApi, SQS or Schedule`},
		"webhook auth":        {edit("AuthType: NONE", "AuthType: AWS_IAM"), "WebhookFunction: FunctionUrlConfig has AuthType AWS_IAM"},
		"unknown condition":   {edit("!If [HasPublicUrl", "!If [HasUrl"), "names condition HasUrl, which is not declared"},
		"unknown reference":   {edit("!Ref Architecture", "!Ref Architectur"), "Globals: names Architectur, which is not declared"},
		"unknown parameter":   {edit("Timeout: !Ref WorkerTimeout", "Timeout: !Ref WorkTimeout"), "WorkerFunction: names WorkTimeout, which is not declared"},
		"unreadable function": {edit("Timeout: !Ref WorkerTimeout", "Timeout: !Select [0, [60]]"), "WorkerFunction: Select is not understood"},
		"nothing found":       {edit("!FindInMap [WorkerMemory, !Ref BatchSize, MB]", "!FindInMap [WorkerMemory, !Ref Stage, MB]"), "WorkerFunction: finds nothing under Mappings at WorkerMemory, dev, MB"},
		"unknown batch":       {edit("!FindInMap [WorkerMemory, !Ref BatchSize, MB]", "!FindInMap [WorkerMemory, !Ref Size, MB]"), "WorkerFunction: names Size, which is not declared"},
		"half a look-up":      {edit("!FindInMap [WorkerMemory, !Ref BatchSize, MB]", "!FindInMap [WorkerMemory, MB]"), "FindInMap takes the name of a mapping and two keys"},
		"too little memory":   {edit("\"10\": {MB: 1024}", "\"10\": {MB: 64}"), `MemorySize is "64"; it must be a whole number from 128 to 10240`},
		"no default":          {edit("    Default: 60\n", ""), "Parameters: WorkerTimeout has no Default"},
		"secret as a number":  {edit("Timeout: !Ref WorkerTimeout", "Timeout: !Ref CallbackKeys"), `WorkerFunction: Timeout is "${CallbackKeys}"; it must be a whole number`},
		"key twice":           {edit("MemorySize: 512", "MemorySize: 512\n    MemorySize: 256"), "MemorySize is given twice, first in line"},
		"no yaml":             {"Resources: [\n", "not readable as YAML"},
		"no mapping":          {"hello\n", "is no template"},
		"empty":               {"", "is no template"},
		"no resources":        {"Parameters: {}\n", "has no Resources"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wiring.Parse("copy.yaml", []byte(c.src))
			if err == nil {
				t.Fatalf("no error, want %q", c.want)
			}
			if got := err.Error(); !strings.Contains(got, c.want) || strings.Contains(got, "\n") || !strings.HasPrefix(got, "copy.yaml:") {
				t.Errorf("got  %s\nwant copy.yaml: … %s", got, c.want)
			}
		})
	}
}

func TestConditionsChoose(t *testing.T) {
	t.Parallel()
	src := wiringtest.Edit(t, source(t), "    Default: \"\"\n", "    Default: https://flows.example.com\n")
	w, err := wiring.Parse("copy.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	if f, _ := w.Function("worker"); f.Env["STEPLINE_PUBLIC_URL"] != "https://flows.example.com" {
		t.Errorf("STEPLINE_PUBLIC_URL: %q", f.Env["STEPLINE_PUBLIC_URL"])
	}
}

func TestReadNamesTheFile(t *testing.T) {
	t.Parallel()
	_, err := wiring.Read("nowhere.yaml")
	if want := "nowhere.yaml: cannot read the template: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	src, err := os.ReadFile("../../template.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Add([]byte("Resources: {A: {Type: AWS::SQS::Queue, Properties: !If [a, b, c]}}"))
	f.Add([]byte("Conditions: {a: !Condition a}\nResources: {A: {Condition: a, Type: x}}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		w, err := wiring.Parse("f", src)
		if (w == nil) == (err == nil) {
			t.Fatalf("got %v and %v", w, err)
		}
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("not one line: %q", err)
		}
	})
}
