package api

import (
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// The schemas of what requests carry. The parsers accept exactly these fields;
// a test holds the two together.
var (
	text        = schema{"type": "string"}
	filled      = schema{"type": "string", "minLength": 1}
	number1     = schema{"type": "integer", "minimum": 1}
	moments     = schema{"type": "string", "format": "date-time"}
	span        = schema{"type": "string", "examples": []string{"90s", "2h", "3d"}}
	anything    = schema{}
	emptySchema = closed(schema{})

	startSchema = closed(schema{
		"workflow": filled,
		"version":  number1,
		"input":    schema{"description": "any JSON value that the workflow's input schema allows, at most 1 MiB"},
		"priority": schema{"type": "string", "enum": []queue.Lane{queue.High, queue.Normal, queue.Low}, "default": queue.Normal},
		"tags":     schema{"type": "object", "additionalProperties": text, "description": "at most 256 bytes as JSON"},
		"delay":    span,
		"timeout":  span,
		"stepFunctions": closed(schema{
			"taskToken": schema{"type": "string", "minLength": 1, "maxLength": MaxTaskToken, "writeOnly": true, "description": "$$.Task.Token of the task, which is told how the execution ends"},
			"heartbeat": schema{"type": "string", "examples": []string{"3m"}, "description": "HeartbeatSeconds of the task, at least " + workflow.FormatDuration(runner.MinHeartbeat) + "; absent: it gets no heartbeats"},
		}, "taskToken"),
	}, "workflow")

	resumeSchema = closed(schema{
		"step": filled,
		"as":   schema{"type": "string", "enum": []string{runner.Again, runner.AsFailed}},
	})

	retrySchema = closed(schema{
		"from":    schema{"type": "string", "minLength": 1, "default": "failed", "description": "failed, start, or the id of a step"},
		"version": schema{"type": "string", "enum": []string{"pinned", "live"}, "default": "pinned"},
		"input":   schema{"description": "replaces the input"},
	})

	liveSchema = closed(schema{"version": number1}, "version")

	documentBody = &body{
		schema: schema{"type": "object", "description": "a workflow document, see /v1/schemas/workflow.json"},
		types:  []string{"application/json", "application/yaml"},
	}

	sourceBody = &body{schema: workflow.SourceSchema(), types: []string{"application/json", "application/yaml"}}

	eventBody = &body{
		schema:   schema{"description": "the event as its sender signed it, at most 6 MiB"},
		types:    []string{"application/json", "*/*"},
		optional: true,
	}

	cursorParam = param{"cursor", "The next of the page before", filled}

	listParams = []param{
		{"workflow", "", filled},
		{"version", "", number1},
		{"status", "", schema{"type": "string", "enum": record.Statuses}},
		{"from", "Created at or after", moments},
		{"to", "Created before", moments},
		limitParam(history.DefaultLimit),
		cursorParam,
	}
)

func limitParam(def int) param {
	return param{"limit", "", schema{"type": "integer", "minimum": 1, "maximum": 100, "default": def}}
}

func closed(properties schema, required ...string) schema {
	s := schema{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		s["required"] = required
	}
	return s
}

func jsonBody(s schema) *body { return &body{schema: s, types: []string{"application/json"}} }

func optionalBody(s schema) *body {
	b := jsonBody(s)
	b.optional = true
	return b
}
