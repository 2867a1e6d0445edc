package functions_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// function: its role and its log group are its own, and the role grants what
// its events and its name say and nothing beside it.
func (c *checker) function(f string) {
	if c.used == nil {
		c.used = map[string]bool{}
	}
	role, log := id(text(c.props(f, "Role"))), id(text(c.props(f, "LoggingConfig", "LogGroup")))
	for _, own := range []struct{ what, id, kind string }{{"Role", role, roleType}, {"LoggingConfig.LogGroup", log, logType}} {
		switch {
		case !slices.Contains(c.ofType(own.kind), own.id):
			c.fault("%s: %s names no %s of the template", f, own.what, own.kind)
		case c.used[own.id]:
			c.fault("%s: %s %s belongs to another function", f, own.what, own.id)
		}
		c.used[own.id] = true
	}
	if at(c.props(f, "Policies")) != nil {
		c.fault("%s: has Policies, which SAM ignores beside a Role; put them into %s", f, role)
	}
	if c.props(log, "RetentionInDays") == nil {
		c.fault("%s: has no RetentionInDays, so its logs are kept and paid for for ever", log)
	}
	c.role(f, role, log)
	c.secrets(f, role)
	c.runs(f, role)
	c.starts(f)
}

// granted are the targets that a statement of each purpose may name.
func (c *checker) role(f, role, log string) {
	table := c.ofType(tableType)
	var indexes []string
	for _, t := range table {
		gsis, _ := c.props(t, "GlobalSecondaryIndexes").([]any)
		for _, g := range gsis {
			indexes = append(indexes, "${"+t+".Arn}/index/"+text(g, "IndexName"))
		}
	}
	c.assumed(role)
	for _, s := range c.statements(role) {
		if s.Effect != "Allow" {
			c.fault("%s: statement %s has Effect %q", role, s.Sid, s.Effect)
		}
		if len(s.Actions) == 0 || len(s.Resources) == 0 {
			c.fault("%s: statement %s has no Action or no Resource", role, s.Sid)
			continue
		}
		service, _, _ := strings.Cut(s.Actions[0], ":")
		for _, a := range s.Actions {
			if strings.Contains(a, "*") {
				c.fault("%s: action %s is not one action", role, a)
			}
			if !strings.HasPrefix(a, service+":") {
				c.fault("%s: statement %s mixes %s with another service", role, s.Sid, a)
			}
		}
		for _, r := range s.Resources {
			owner := id(r)
			switch {
			case strings.HasPrefix(s.Actions[0], "logs:") && r == "${"+log+".Arn}":
			case strings.HasPrefix(s.Actions[0], "dynamodb:") && (slices.Contains(table, owner) && r == "${"+owner+".Arn}" || slices.Contains(indexes, r)):
			case strings.HasPrefix(s.Actions[0], "sqs:") && slices.Contains(c.ofType(queueType), owner) && r == "${"+owner+".Arn}":
			case strings.HasPrefix(s.Actions[0], "ssm:") && strings.HasPrefix(r, "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:parameter/") && strings.Contains(r, "${AWS::StackName}"):
			case strings.HasPrefix(s.Actions[0], "states:") && (r == machines+"stateMachine:${StateMachines}" || r == machines+"execution:${StateMachines}:*"):
			default:
				c.fault("%s: %s on %s is on nothing that belongs to this function", role, s.Actions[0], r)
			}
		}
	}
	c.receives(f, role)
}

// assumed: Lambda alone takes on the role, and nothing adds to its statements.
func (c *checker) assumed(role string) {
	for name := range mapping(c.tree, "Resources", role, "Properties") {
		if name != "AssumeRolePolicyDocument" && name != "Policies" {
			c.fault("%s: %s is not looked at by this test; write statements into Policies", role, name)
		}
	}
	trusted, _ := c.props(role, "AssumeRolePolicyDocument", "Statement").([]any)
	if len(trusted) != 1 || !slices.Equal(list(trusted[0], "Principal", "Service"), []string{"lambda.amazonaws.com"}) || len(mapping(trusted[0], "Principal")) != 1 {
		c.fault("%s: must be assumed by lambda.amazonaws.com and by nobody else", role)
	}
}

// elsewhere: permissions are granted in the functions' roles, and by what SAM
// makes of their events.
func (c *checker) elsewhere() {
	for id := range mapping(c.tree, "Resources") {
		kind := text(c.tree, "Resources", id, "Type")
		if strings.HasPrefix(kind, "AWS::IAM::") && kind != roleType || strings.HasSuffix(kind, "Policy") || strings.HasSuffix(kind, "Permission") {
			c.fault("%s: %s grants what this test does not look at", id, kind)
		}
	}
}

// machines starts the ARNs of the account's state machines and executions; the
// parameter StateMachines says which of them steps may run.
const machines = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"

// receives: a function may take messages from exactly the queues that feed it.
func (c *checker) receives(f, role string) {
	var fed, granted []string
	for _, e := range mapping(c.props(f, "Events")) {
		if text(e, "Type") == "SQS" {
			fed = append(fed, id(text(e, "Properties", "Queue")))
		}
	}
	for _, s := range c.statements(role) {
		if slices.Contains(s.Actions, "sqs:ReceiveMessage") {
			for _, r := range s.Resources {
				granted = append(granted, id(r))
			}
			for _, a := range []string{"sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
				if !slices.Contains(s.Actions, a) {
					c.fault("%s: may receive, which needs %s too", role, a)
				}
			}
		}
	}
	slices.Sort(fed)
	slices.Sort(granted)
	if !slices.Equal(fed, granted) {
		c.fault("%s: may receive from %v, and is fed from %v", role, granted, fed)
	}
}

// events: each event that the template declares has a sample, and each sample
// of a known kind belongs to an event.
func (c *checker) events() {
	declared := map[string]string{} // what marks its samples → what it is
	for _, f := range c.ofType(functionType) {
		name := text(c.props(f, "Handler"))
		if c.props(f, "FunctionUrlConfig") != nil {
			declared[name+" url"] = f + ": the function URL"
		}
		for key, e := range mapping(c.props(f, "Events")) {
			mark := ""
			switch text(e, "Type") {
			case "HttpApi":
				mark = text(e, "Properties", "Method") + " " + text(e, "Properties", "Path")
			case "SQS":
				mark = id(text(e, "Properties", "Queue"))
			case "Schedule":
				mark = "schedule"
			}
			declared[name+" "+mark] = f + ": event " + key
		}
	}
	seen := map[string]bool{}
	for name, payload := range c.samples {
		function, _, _ := strings.Cut(name, "/")
		marks := marksOf(payload)
		for _, m := range marks {
			seen[function+" "+m] = true
		}
		if !slices.Contains(c.repository.folders, function) {
			c.fault("events/%s.json: there is no function %s", name, function)
		}
		if i := slices.IndexFunc(marks, func(m string) bool { return strings.Contains(m, "/v") }); i >= 0 && declared[function+" "+marks[i]] == "" {
			c.fault("events/%s.json: functions/%s has no route %s", name, function, marks[i])
		}
	}
	for mark, what := range declared {
		if !seen[mark] {
			c.fault("%s has no sample under events", what)
		}
	}
}

// marksOf are the declarations of the template that a sample is one of.
func marksOf(payload []byte) []string {
	into, err := kindOf(payload)
	if err != nil || json.Unmarshal(payload, into) != nil {
		return nil
	}
	switch e := into.(type) {
	case *events.APIGatewayV2HTTPRequest:
		if strings.Contains(e.RequestContext.DomainName, ".lambda-url.") {
			return []string{"url"}
		}
		return []string{e.RouteKey}
	case *events.SQSEvent:
		var marks []string
		for _, r := range e.Records { // stepline-NormalQueue-2B is the queue NormalQueue
			parts := strings.Split(r.EventSourceARN, "-")
			if len(parts) > 2 {
				marks = append(marks, parts[len(parts)-2])
			}
		}
		return marks
	case *events.EventBridgeEvent:
		if e.Source == "aws.events" {
			return []string{"schedule"}
		}
	}
	return nil
}
