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
	edit := func(edits ...string) func(*testing.T, *repository) {
		return func(t *testing.T, r *repository) {
			r.template = []byte(wiringtest.Edit(t, string(r.template), edits...))
		}
	}
	// without takes the line with a property of one function out.
	without := func(function, property string) func(*testing.T, *repository) {
		return func(t *testing.T, r *repository) {
			before, rest, found := strings.Cut(string(r.template), "\n  "+function+":\n")
			own, after, ends := strings.Cut(rest, "\n\n")
			if !found || !ends {
				t.Fatalf("the template does not contain %s any more", function)
			}
			own = wiringtest.Edit(t, own, property, "# "+property)
			r.template = []byte(before + "\n  " + function + ":\n" + own + "\n\n" + after)
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
		"base missing: execute":  {without("ExecuteFunction", "STEPLINE_PUBLIC_URL:"), "ExecuteFunction: would not start: STEPLINE_PUBLIC_URL is not set"},
		"base missing: status":   {without("StatusFunction", "STEPLINE_PUBLIC_URL:"), "StatusFunction: would not start: STEPLINE_PUBLIC_URL is not set"},
		"base missing: worker":   {without("WorkerFunction", "STEPLINE_PUBLIC_URL:"), "WorkerFunction: would not start: STEPLINE_PUBLIC_URL is not set"},
		"base missing: solo":     {without("SoloFunction", "STEPLINE_PUBLIC_URL:"), "SoloFunction: would not start: STEPLINE_PUBLIC_URL is not set"},
		"dead letters' queue":    {edit("          STEPLINE_QUEUE_DEAD: !Ref DeadLetterQueue\n", "          STEPLINE_QUEUE_DEAD: \"\"\n"), "DeadletterFunction: would not start: STEPLINE_QUEUE_DEAD is not set"},
		"one function's alone":   {edit("        STEPLINE_SWEEP_LAG: !Ref SweepLag\n", "", "          STEPLINE_QUEUE_DEAD: ", "          STEPLINE_SWEEP_LAG: !Ref SweepLag\n          STEPLINE_QUEUE_DEAD: "), "SweeperFunction: variable STEPLINE_SWEEP_LAG is not set, and the code reads it"},
		"two lanes on one queue": {edit("STEPLINE_QUEUE_LOW: !Ref LowQueue", "STEPLINE_QUEUE_LOW: !Ref HighQueue"), "AdminFunction: would not start: STEPLINE_QUEUE_HIGH and STEPLINE_QUEUE_LOW both name the queue HighQueue"},
		"times that disagree":    {edit("SoloLease: {Type: String, Default: 65s", "SoloLease: {Type: String, Default: 90s"), "WorkerFunction: would not start: STEPLINE_SOLO_VISIBLE is 1m30s"},
		"secrets elsewhere":      {edit("STEPLINE_SECRET_PREFIX: !Sub \"/stepline/${AWS::StackName}\"", "STEPLINE_SECRET_PREFIX: !Sub \"/stepline/${Stage}\""), "WebhookRole: may read parameters /stepline/${AWS::StackName}/*, and STEPLINE_SECRET_PREFIX of WebhookFunction is /stepline/${Stage}"},
		"no loop: worker":        {without("WorkerFunction", "RecursiveLoop:"), "WorkerFunction: has no RecursiveLoop: Allow"},
		"no loop: solo":          {without("SoloFunction", "RecursiveLoop:"), "SoloFunction: has no RecursiveLoop: Allow"},
		"no loop: dead letters":  {without("DeadletterFunction", "RecursiveLoop:"), "DeadletterFunction: has no RecursiveLoop: Allow"},
		"lines as text":          {edit("LogFormat: JSON", "LogFormat: Text"), `AdminFunction: LoggingConfig.LogFormat is "Text"; want JSON`},
		"one's lines as text":    {edit("LoggingConfig: {LogGroup: !Ref CancelLog}", "LoggingConfig: {LogGroup: !Ref CancelLog, LogFormat: Text}"), `CancelFunction: LoggingConfig.LogFormat is "Text"`},
		"expiry elsewhere":       {edit("TimeToLiveSpecification: {AttributeName: xp,", "TimeToLiveSpecification: {AttributeName: ttl,"), `Table: Properties.TimeToLiveSpecification.AttributeName is "ttl"; want xp`},
		"nothing expires":        {edit("AttributeName: xp, Enabled: true", "AttributeName: xp, Enabled: false"), "Table: Properties.TimeToLiveSpecification.Enabled"},
		"feed of keys":           {edit("NEW_AND_OLD_IMAGES", "KEYS_ONLY"), `Table: Properties.StreamSpecification.StreamViewType is "KEYS_ONLY"`},
		"no way back":            {edit("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"), "Table: Properties.PointInTimeRecoverySpecification.PointInTimeRecoveryEnabled"},
		"deleted with the stack": {edit("    DeletionPolicy: RetainExceptOnCreate\n", ""), `Table: DeletionPolicy is ""`},
		"deleted when replaced":  {edit("UpdateReplacePolicy: Retain", "UpdateReplacePolicy: Delete"), `Table: UpdateReplacePolicy is "Delete"`},
		"unprotected":            {edit("DeletionProtectionEnabled: !Ref DeletionProtection", "DeletionProtectionEnabled: false"), `Table: Properties.DeletionProtectionEnabled is "false"`},
		"unprotected by default": {edit("    Default: \"true\"\n", "    Default: \"false\"\n"), `parameter DeletionProtection: is "false" where nothing is said`},
		"paid for when idle":     {edit("BillingMode: PAY_PER_REQUEST", "BillingMode: PROVISIONED"), `Table: Properties.BillingMode is "PROVISIONED"`},
		"messages in the clear":  {edit("SqsManagedSseEnabled: true", "SqsManagedSseEnabled: false"), `HighQueue: Properties.SqsManagedSseEnabled is "false"`},
		"hist without its name":  {edit("NonKeyAttributes: [wf]", "NonKeyAttributes: [st]"), "Table: index hist projects INCLUDE [st]; want INCLUDE [wf]"},
		"hist of keys":           {edit("{ProjectionType: INCLUDE, NonKeyAttributes: [wf]}", "{ProjectionType: KEYS_ONLY}"), "Table: index hist projects KEYS_ONLY []"},
		"due of all":             {edit("Projection: {ProjectionType: KEYS_ONLY}", "Projection: {ProjectionType: ALL}"), "Table: index due projects ALL []"},
		"due by text":            {edit("AttributeName: qk, AttributeType: N", "AttributeName: qk, AttributeType: S"), `Table: index due has the keys ["HASH qp S" "RANGE qk S"]`},
		"due gone":               {edit("IndexName: due", "IndexName: later"), "Table: has no index due"},
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
