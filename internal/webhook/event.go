package webhook

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// private are the headers that expressions do not see, for what they read is
// stored: credentials, and the signature, which is one while its time lasts.
var private = []string{"authorization", "cookie", "proxy-authorization"}

// maxKey bounds an event's id.
const maxKey = 255

// environment is what a source's expressions read of an event.
func environment(d Delivery, src *workflow.Source, id string) (expr.Env, error) {
	body, err := decode(d)
	if err != nil {
		return nil, err
	}
	signed := src.Scheme.Headers()
	headers := map[string]any{}
	for name, values := range d.Header {
		name = strings.ToLower(name)
		if !slices.Contains(private, name) && !strings.EqualFold(name, signed[len(signed)-1]) {
			headers[name] = strings.Join(values, ", ")
		}
	}
	return expr.Env{"event": map[string]any{"id": id, "source": src.Name, "headers": headers, "body": body}}, nil
}

// decode reads a body: JSON where it says so or says nothing and is JSON, text
// where it is UTF-8, and otherwise its bytes in base64.
func decode(d Delivery) (any, error) {
	contentType := textproto.MIMEHeader(d.Header).Get("Content-Type")
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		media = ""
	}
	isJSON := media == "application/json" || strings.HasSuffix(media, "+json")
	if len(d.Body) == 0 {
		return nil, nil
	}
	if isJSON || media == "" {
		v, err := expr.Decode(d.Body)
		switch {
		case err == nil && utf8.Valid(d.Body):
			return v, nil
		case isJSON:
			return nil, &problem.Error{Code: problem.Invalid, Detail: "the body is not the JSON it says it is", Cause: err}
		}
	}
	if utf8.Valid(d.Body) {
		return string(d.Body), nil
	}
	return map[string]any{"base64": base64.StdEncoding.EncodeToString(d.Body), "contentType": contentType}, nil
}

// key is the event's own name, as the source says.
func key(src *workflow.Source, env expr.Env) (string, error) {
	v, err := src.DedupeKey.Eval(env)
	if err != nil {
		return "", wrong("dedupe.key", err)
	}
	var s string
	switch v := v.(type) {
	case string:
		s = v
	case int:
		s = strconv.Itoa(v)
	}
	if s == "" || len(s) > maxKey {
		return "", wrong("dedupe.key", fmt.Errorf("must be a string of 1 to %d bytes or a whole number", maxKey))
	}
	return s, nil
}

// input is the execution's input: what the source makes of the event, or its
// body.
func input(src *workflow.Source, env expr.Env) (json.RawMessage, error) {
	v := env["event"].(map[string]any)["body"]
	var err error
	if src.Input != nil {
		if v, err = src.Input.Eval(env); err != nil {
			return nil, wrong("start.input", err)
		}
	}
	b, err := expr.Encode(v)
	switch {
	case err != nil:
		return nil, wrong("start.input", err)
	case len(b) > record.MaxValue:
		return nil, &problem.Error{Code: problem.TooLarge, Detail: fmt.Sprintf("the input of the execution would have %d bytes, at most %d are kept", len(b), record.MaxValue)}
	}
	return b, nil
}

// wrong says which of the source's expressions does not fit the event. Its text
// holds no values.
func wrong(where string, err error) error {
	detail := where + " of the source cannot be evaluated with this event"
	var e *expr.Error
	if errors.As(err, &e) {
		detail = where + " of the source: " + e.Error()
	}
	return &problem.Error{Code: problem.Invalid, Detail: detail, Cause: err}
}
