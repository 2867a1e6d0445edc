package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// openAPI is the OpenAPI 3.1 document of a route table.
func openAPI(routes []Route) ([]byte, error) {
	s := &schemas{components: map[string]schema{}}
	paths := map[string]schema{}
	for i := range routes {
		r := &routes[i]
		if paths[r.Pattern] == nil {
			paths[r.Pattern] = schema{}
		}
		paths[r.Pattern][strings.ToLower(r.Method)] = operation(s, r)
	}
	b, err := json.Marshal(schema{
		"openapi": "3.1.0",
		"info": schema{
			"title": "Stepline", "version": "1",
			"description": "Durable execution of workflow documents. Errors are problem documents (RFC 9457) " +
				"whose type is stable. Times are RFC 3339 in UTC, durations are texts such as 90s, 2h or 3d.",
		},
		"paths":      paths,
		"components": schema{"schemas": s.components},
	})
	if err != nil {
		return nil, fmt.Errorf("api: encode the OpenAPI document: %w", err)
	}
	return b, nil
}

func operation(s *schemas, r *Route) schema {
	op := schema{
		"operationId":         r.Operation(),
		"summary":             r.Summary,
		"tags":                []string{r.Function},
		"x-stepline-function": r.Function,
		"x-stepline-role":     r.Role,
		"x-stepline-audited":  r.Audited,
		"responses":           responses(s, r),
	}
	if p := parameters(r); len(p) > 0 {
		op["parameters"] = p
	}
	if r.body != nil {
		content := schema{}
		for _, t := range r.body.types {
			content[t] = schema{"schema": r.body.schema}
		}
		op["requestBody"] = schema{"required": !r.body.optional, "content": content}
	}
	return op
}

// Operation names the call: its operationId in the OpenAPI document. It is made
// of method and pattern, such as getExecutionsIdTimeline, unique because they
// are, and stays when a template moves the call.
func (r *Route) Operation() string {
	if r.operation != "" {
		return r.operation
	}
	var b strings.Builder
	b.WriteString(strings.ToLower(r.Method))
	for _, word := range strings.FieldsFunc(strings.TrimPrefix(r.Pattern, "/v1"), func(c rune) bool {
		return c < '0' || c > '9' && c < 'A' || c > 'Z' && c < 'a' || c > 'z'
	}) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// Event is the id of the call's event in template.yaml: its operation with a
// capital.
func (r *Route) Event() string {
	name := r.Operation()
	return strings.ToUpper(name[:1]) + name[1:]
}

func parameters(r *Route) []schema {
	var out []schema
	for _, part := range strings.Split(r.Pattern, "/") {
		if strings.HasPrefix(part, "{") {
			out = append(out, parameter("path", param{name: strings.Trim(part, "{}"), schema: text}))
		}
	}
	for _, p := range r.query {
		out = append(out, parameter("query", p))
	}
	for _, p := range r.headers {
		out = append(out, parameter("header", p))
	}
	return out
}

func parameter(in string, p param) schema {
	out := schema{"in": in, "name": p.name, "required": in == "path", "schema": p.schema}
	if p.about != "" {
		out["description"] = p.about
	}
	return out
}

// everywhere are the problems that any call may answer.
var everywhere = []int{http.StatusBadRequest, http.StatusInternalServerError, http.StatusServiceUnavailable}

func responses(s *schemas, r *Route) schema {
	out := schema{}
	for _, a := range r.answers {
		one := schema{"description": a.about}
		if a.value != nil {
			one["content"] = schema{"application/json": schema{"schema": s.of(a.value)}}
		}
		headers := schema{"X-Request-Id": schema{"schema": text}}
		for _, h := range a.header {
			headers[h] = schema{"schema": text}
		}
		one["headers"] = headers
		out[strconv.Itoa(a.status)] = one
	}
	for _, status := range slices.Concat(everywhere, r.refuses) {
		out[strconv.Itoa(status)] = schema{
			"description": http.StatusText(status),
			"content":     schema{"application/problem+json": schema{"schema": s.of(Problem{})}},
		}
	}
	return out
}
