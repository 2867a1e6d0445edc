package functions_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/wiring/wiringtest"
)

// TestWhatIsMissingOrLeftOver breaks a copy in one place at a time, and the
// check names the place.
func TestWhatIsMissingOrLeftOver(t *testing.T) {
	t.Parallel()
	whole := current(t)
	edit := func(old, with string) func(*testing.T, *repository) {
		return func(t *testing.T, r *repository) {
			r.template = []byte(wiringtest.Edit(t, string(r.template), old, with))
		}
	}
	for name, c := range map[string]struct {
		change func(*testing.T, *repository)
		want   string
	}{
		"folder missing": {func(_ *testing.T, r *repository) {
			r.folders = slices.DeleteFunc(r.folders, func(f string) bool { return f == "cancel" })
		}, "CancelFunction: there is no folder functions/cancel"},
		"folder left over":               {func(_ *testing.T, r *repository) { r.folders = append(r.folders, "rollup") }, "functions/rollup: no function of the template has the Handler rollup"},
		"sample missing":                 {func(_ *testing.T, r *repository) { delete(r.samples, "status/timeline") }, "StatusFunction: event GetExecutionsIdTimeline has no sample under events"},
		"last sample of a queue missing": {func(_ *testing.T, r *repository) { delete(r.samples, "worker/solo-ended") }, "SoloFunction: event Solo has no sample under events"},
		"schedule's sample missing":      {func(_ *testing.T, r *repository) { delete(r.samples, "sweeper/every-minute") }, "SweeperFunction: event EveryMinute has no sample under events"},
		"function URL's samples missing": {func(_ *testing.T, r *repository) {
			maps.DeleteFunc(r.samples, func(name string, _ []byte) bool { return strings.HasPrefix(name, "webhook/") })
		}, "WebhookFunction: the function URL has no sample under events"},
		"sample left over":       {func(_ *testing.T, r *repository) { r.samples["rollup/change"] = []byte(`{"Records":[]}`) }, "events/rollup/change.json: there is no function rollup"},
		"sample of no route":     {edit("Method: GET, Path: /v1/health}", "Method: GET, Path: /v2/health}"), "events/status/health.json: functions/status has no route GET /v1/health"},
		"policy's table renamed": {edit("Resource: !GetAtt Table.Arn", "Resource: !GetAtt Tabel.Arn"), "ExecuteRole: dynamodb:DescribeTable on ${Tabel.Arn} is on nothing that belongs to this function"},
		"policy's table by name": {edit("Resource: !GetAtt Table.Arn", `Resource: !Sub "arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/stepline"`), "ExecuteRole: dynamodb:DescribeTable on arn:aws:dynamodb"},
		"index renamed":          {edit("IndexName: hist", "IndexName: history"), "StatusRole: dynamodb:Query on ${Table.Arn}/index/hist is on nothing"},
		"all resources":          {edit("Resource: !GetAtt Table.Arn", `Resource: "*"`), "ExecuteRole: dynamodb:DescribeTable on * is on nothing"},
		"all actions":            {edit("dynamodb:DescribeTable", "dynamodb:*"), "ExecuteRole: action dynamodb:* is not one action"},
		"managed policy":         {edit("  CancelRole:\n    Type: AWS::IAM::Role\n    Properties:\n", "  CancelRole:\n    Type: AWS::IAM::Role\n    Properties:\n      ManagedPolicyArns: [arn:aws:iam::aws:policy/AdministratorAccess]\n"), "CancelRole: ManagedPolicyArns is not looked at by this test"},
		"assumed by anybody":     {edit("Principal: {Service: lambda.amazonaws.com}", `Principal: {AWS: "*"}`), "ExecuteRole: must be assumed by lambda.amazonaws.com and by nobody else"},
		"two services in one":    {edit("[logs:CreateLogStream, logs:PutLogEvents]", "[logs:CreateLogStream, sqs:DeleteQueue]"), "ExecuteRole: statement Log mixes sqs:DeleteQueue with another service"},
		"policy beside":          {edit("  Table:\n    Type: AWS::DynamoDB::Table\n", "  Open: {Type: AWS::SQS::QueuePolicy, Properties: {Queues: [!Ref HighQueue]}}\n  Table:\n    Type: AWS::DynamoDB::Table\n"), "Open: AWS::SQS::QueuePolicy grants what this test does not look at"},
		"another's log":          {edit("Resource: !GetAtt StatusLog.Arn", "Resource: !GetAtt CancelLog.Arn"), "StatusRole: logs:CreateLogStream on ${CancelLog.Arn} is on nothing that belongs"},
		"another's role":         {edit("Role: !GetAtt SoloRole.Arn", "Role: !GetAtt WorkerRole.Arn"), "SoloRole: is left over, no function uses it"},
		"role missing":           {edit("  CancelRole:\n", "  CancelRights:\n"), "CancelFunction: Role names no AWS::IAM::Role of the template"},
		"log group missing":      {edit("  AdminLog:\n", "  AdminLogs:\n"), "AdminFunction: LoggingConfig.LogGroup names no AWS::Logs::LogGroup of the template"},
		"retention missing":      {edit(", RetentionInDays: !Ref LogRetention}", "}"), "ExecuteLog: has no RetentionInDays"},
		"SAM's own policies":     {edit("      Role: !GetAtt CancelRole.Arn\n", "      Role: !GetAtt CancelRole.Arn\n      Policies: [AmazonDynamoDBFullAccess]\n"), "CancelFunction: has Policies, which SAM ignores beside a Role"},
		"queue it may not take":  {edit("Resource: [!GetAtt DeadLetterQueue.Arn]", "Resource: [!GetAtt LowQueue.Arn]"), "DeadletterRole: may receive from [LowQueue], and is fed from [DeadLetterQueue]"},
		"may not delete":         {edit("sqs:ReceiveMessage, sqs:DeleteMessage", "sqs:ReceiveMessage"), "WorkerRole: may receive, which needs sqs:DeleteMessage too"},
		"variable missing":       {edit("        STEPLINE_SKEW_GRACE: !Ref SkewGrace\n", ""), "variable STEPLINE_SKEW_GRACE is read by the code and set by no function"},
		"variable left over":     {edit("        STEPLINE_TABLE: !Ref Table\n", "        STEPLINE_TABLE: !Ref Table\n        STEPLINE_BUCKET: none\n"), "variable STEPLINE_BUCKET is left over, no code reads it"},
		"variable of no table":   {edit("STEPLINE_TABLE: !Ref Table\n", "STEPLINE_TABLE: !Ref Store\n"), "variable STEPLINE_TABLE names ${Store}, which is not declared"},
		"parameter left over":    {edit("  LogLevel:\n", "  Bucket: {Type: String, Default: none}\n  LogLevel:\n"), "parameter Bucket: is left over"},
		"parameter of any text":  {edit("    AllowedPattern: \"[a-z][a-z0-9-]{0,31}\"\n", ""), "parameter Stage: has no AllowedPattern"},
		"key that is none":       {edit("  CallbackKeys: # no default: a stack without one would have no function that starts\n", "  CallbackKeys:\n    Default: \"\"\n"), `parameter CallbackKeys: its Default "" does not match its AllowedPattern`},
		"built another way":      {edit("Metadata: {BuildMethod: makefile}", "Metadata: {BuildMethod: go1.x}"), "ExecuteFunction: has no Metadata {BuildMethod: makefile}"},
		"empty template":         {func(_ *testing.T, r *repository) { r.template = nil }, "the template is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := whole
			r.folders, r.samples = slices.Clone(whole.folders), maps.Clone(whole.samples)
			c.change(t, &r)
			found := r.faults()
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.want) }) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}
