package api

import (
	"net/http"
	"slices"

	"github.com/seed-926d1ba8/stepline/internal/history"
)

// Statuses of problems, short enough for a table.
const (
	missing     = http.StatusNotFound
	conflict    = http.StatusConflict
	tooLarge    = http.StatusRequestEntityTooLarge
	unsupported = http.StatusUnsupportedMediaType
	forged      = http.StatusUnauthorized
	invalid     = http.StatusUnprocessableEntity
)

// Routes is every call there is. The handlers, the OpenAPI document and the
// check of template.yaml are made from it.
func Routes() []Route {
	return slices.Concat(executionRoutes(), workflowRoutes(), sourceRoutes(), publicRoutes())
}

func executionRoutes() []Route {
	return []Route{
		{
			Method: http.MethodPost, Pattern: "/v1/executions", Function: Execute, Role: Operator,
			Summary: "Start an execution", handle: (*API).start,
			headers: startHeaders, body: jsonBody(startSchema),
			answers: []answer{
				{http.StatusAccepted, "Started, or still open", history.Execution{}, startAnswers},
				{http.StatusOK, "Ended: waited for, or replayed", history.Execution{}, startAnswers},
			},
			refuses: []int{missing, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/executions", Function: Status, Role: Viewer,
			Summary: "List executions, newest first", handle: (*API).listExecutions,
			query:   listParams,
			answers: []answer{{http.StatusOK, "A page; it may be short and still have a next one", page[Summary]{}, nil}},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/executions/{id}", Function: Status, Role: Viewer,
			Summary: "Show an execution with its steps", handle: (*API).getExecution,
			query:   []param{runParam},
			headers: tagHeaders, answers: tagged("The execution", history.Execution{}), refuses: []int{missing},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/executions/{id}/timeline", Function: Status, Role: Viewer,
			Summary: "Tell what happened, in order", handle: (*API).getTimeline,
			query:   []param{runParam},
			headers: tagHeaders, answers: tagged("The events", page[Event]{}), refuses: []int{missing},
		},
		{
			Method: http.MethodDelete, Pattern: "/v1/executions/{id}", Function: Cancel, Role: Operator, Audited: true,
			Summary: "Cancel an execution", handle: (*API).cancelExecution,
			answers: willDo("It will end as cancelled"), refuses: []int{missing, conflict},
		},
		{
			Method: http.MethodPost, Pattern: "/v1/executions/{id}/pause", Function: Admin, Role: Operator, Audited: true,
			Summary: "Start no further step until resumed", handle: (*API).pauseExecution,
			body:    optionalBody(emptySchema),
			answers: willDo("It will pause"), refuses: []int{missing, conflict, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodPost, Pattern: "/v1/executions/{id}/resume", Function: Admin, Role: Operator, Audited: true,
			Summary: "Go on, or decide about a step whose outcome is unknown", handle: (*API).resumeExecution,
			body:    optionalBody(resumeSchema),
			answers: willDo("It will go on"), refuses: []int{missing, conflict, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodPost, Pattern: "/v1/executions/{id}/retry", Function: Admin, Role: Operator, Audited: true,
			Summary: "Run an ended execution again", handle: (*API).retryExecution,
			body:    optionalBody(retrySchema),
			answers: willDo("A new run will begin"), refuses: []int{missing, conflict, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodPost, Pattern: "/-/callbacks/{token}", Function: Webhook, Role: None,
			Summary: "Complete a step that waits for a callback", handle: (*API).complete,
			body:    optionalBody(anything),
			answers: []answer{{http.StatusOK, "Taken, now or before", State{}, nil}},
			refuses: []int{missing, conflict, tooLarge, unsupported, invalid},
		},
	}
}

func workflowRoutes() []Route {
	return []Route{
		{
			Method: http.MethodGet, Pattern: "/v1/workflows", Function: Admin, Role: Viewer,
			Summary: "List workflows by name", handle: (*API).listWorkflows,
			query:   []param{limitParam(100), cursorParam},
			answers: []answer{{http.StatusOK, "A page", page[Named]{}, nil}},
		},
		{
			Method: http.MethodPut, Pattern: "/v1/workflows/{name}", Function: Admin, Role: Operator, Audited: true,
			Summary: "Store a document and make it live", handle: (*API).putWorkflow, body: documentBody,
			answers: []answer{
				{http.StatusCreated, "A new version", Stored{}, []string{"Location"}},
				{http.StatusOK, "Unchanged", Stored{}, []string{"Location"}},
			},
			refuses: []int{conflict, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/workflows/{name}", Function: Admin, Role: Viewer,
			Summary: "Show a workflow and its live document", handle: (*API).getWorkflow,
			headers: tagHeaders, answers: tagged("The workflow", Shown{}), refuses: []int{missing},
		},
		{
			Method: http.MethodDelete, Pattern: "/v1/workflows/{name}", Function: Admin, Role: Operator, Audited: true,
			Summary: "Hide a workflow; its versions are kept", handle: (*API).deleteWorkflow,
			answers: []answer{{http.StatusNoContent, "Hidden", nil, nil}}, refuses: []int{missing, conflict},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/workflows/{name}/versions", Function: Admin, Role: Viewer,
			Summary: "List a workflow's versions, newest first", handle: (*API).listVersions,
			answers: []answer{{http.StatusOK, "All versions", page[Listed]{}, nil}}, refuses: []int{missing},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/workflows/{name}/versions/{version}", Function: Admin, Role: Viewer,
			Summary: "Show one version", handle: (*API).getVersion,
			headers: tagHeaders, answers: tagged("The version", ShownVersion{}), refuses: []int{missing},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/workflows/{name}/live", Function: Admin, Role: Viewer,
			Summary: "Say which version new executions run", handle: (*API).getLive,
			headers: tagHeaders, answers: tagged("The live version", Named{}), refuses: []int{missing},
		},
		{
			Method: http.MethodPut, Pattern: "/v1/workflows/{name}/live", Function: Admin, Role: Operator, Audited: true,
			Summary: "Choose the version that new executions run", handle: (*API).putLive, body: jsonBody(liveSchema),
			answers: []answer{{http.StatusOK, "Chosen; it counts everywhere within 5 s", Named{}, nil}},
			refuses: []int{missing, tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodPost, Pattern: "/v1/workflows/{name}/validate", Function: Admin, Role: Viewer,
			Summary: "Check a document; nothing is stored", handle: (*API).validateWorkflow, body: documentBody,
			answers: []answer{{http.StatusOK, "Valid", Checked{}, nil}}, refuses: []int{tooLarge, unsupported, invalid},
		},
	}
}

func sourceRoutes() []Route {
	receive := Route{
		Method: http.MethodPost, Function: Webhook, Role: None, handle: (*API).receiveEvent, body: eventBody,
		answers: []answer{
			{http.StatusAccepted, "Stored; its execution begins", Received{}, nil},
			{http.StatusOK, "Stored before; the same executions", Received{}, nil},
		},
		refuses: []int{forged, missing, tooLarge, invalid},
	}
	here, elsewhere := receive, receive
	here.Pattern, here.Summary = "/{source}", "Take an event of a source, on the webhook address; its signature is the authentication"
	elsewhere.Pattern, elsewhere.Summary = "/{tenant}/{source}", "Take an event of a tenant's source"
	return []Route{
		{
			Method: http.MethodGet, Pattern: "/v1/sources", Function: Admin, Role: Viewer,
			Summary: "List sources by name", handle: (*API).listSources,
			query:   []param{limitParam(100), cursorParam},
			answers: []answer{{http.StatusOK, "A page", page[NamedSource]{}, nil}},
		},
		{
			Method: http.MethodPut, Pattern: "/v1/sources/{name}", Function: Admin, Role: Operator, Audited: true,
			Summary: "Store a source of webhooks", handle: (*API).putSource, body: sourceBody,
			answers: []answer{
				{http.StatusCreated, "A new source", StoredSource{}, []string{"Location"}},
				{http.StatusOK, "Replaced, or unchanged", StoredSource{}, []string{"Location"}},
			},
			refuses: []int{tooLarge, unsupported, invalid},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/sources/{name}", Function: Admin, Role: Viewer,
			Summary: "Show a source; secrets are named only", handle: (*API).getSource,
			headers: tagHeaders, answers: tagged("The source", ShownSource{}), refuses: []int{missing},
		},
		{
			Method: http.MethodDelete, Pattern: "/v1/sources/{name}", Function: Admin, Role: Operator, Audited: true,
			Summary: "Remove a source: its events are refused from then on", handle: (*API).deleteSource,
			answers: []answer{{http.StatusNoContent, "Removed", nil, nil}}, refuses: []int{missing},
		},
		here, elsewhere,
	}
}

func publicRoutes() []Route {
	return []Route{
		{
			Method: http.MethodGet, Pattern: "/v1/health", Function: Status, Role: None,
			Summary: "Say that the service answers", handle: (*API).health,
			answers: []answer{{http.StatusOK, "It does", State{}, nil}},
		},
		{
			Method: http.MethodGet, Pattern: "/v1/openapi.json", Function: Status, Role: None,
			Summary: "This document", handle: (*API).getOpenAPI,
			headers: tagHeaders, answers: tagged("OpenAPI 3.1", map[string]any(nil)),
		},
		{
			Method: http.MethodGet, Pattern: "/v1/schemas/workflow.json", Function: Status, Role: None,
			Summary: "The JSON Schema of a workflow document", handle: (*API).workflowSchema,
			headers: tagHeaders, answers: tagged("JSON Schema 2020-12", map[string]any(nil)),
		},
	}
}

var (
	startAnswers = []string{"Location", "Idempotency-Replayed", "Preference-Applied"}

	startHeaders = []param{
		{"Idempotency-Key", "The same key starts exactly one execution; with another body it is refused", schema{"type": "string", "maxLength": maxKey, "pattern": "^[!#-~][!-~]*$"}},
		{"Prefer", "wait=N answers with the ended execution if it ends within N seconds, at most 25", text},
	}
	runParam = param{"run", "An earlier run of a retried execution; the latest where it is absent", schema{"type": "integer", "minimum": 1}}

	tagHeaders = []param{{"If-None-Match", "An ETag: 304 if nothing has changed", text}}
)

// tagged are the answers of a call with an ETag.
func tagged(about string, v any) []answer {
	return []answer{
		{http.StatusOK, about, v, []string{"Etag", "Cache-Control"}},
		{http.StatusNotModified, "Nothing has changed", nil, []string{"Etag"}},
	}
}

func willDo(about string) []answer {
	return []answer{{http.StatusAccepted, about, Accepted{}, []string{"Location"}}}
}
