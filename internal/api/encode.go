package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
)

// encode writes an answer as JSON. An execution is written by hand: it is what
// is asked for a thousand times a second, and its outputs, which are JSON
// already, make encoding/json read every byte twice.
func encode(v any) ([]byte, error) {
	if x, ok := v.(*history.Execution); ok {
		return append(appendExecution(make([]byte, 0, sizeOf(x)), x), '\n'), nil
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("api: encode the answer: %w", err)
	}
	return buf.Bytes(), nil
}

// sizeOf is about what an execution takes as JSON, in bytes.
func sizeOf(x *history.Execution) int {
	n := 512 + len(x.Input) + len(x.Output)
	for i := range x.Steps {
		n += 384 + len(x.Steps[i].Output) + 128*len(x.Steps[i].Attempts)
	}
	return n
}

// appendExecution follows the tags of history.Execution; a test holds it to
// them.
func appendExecution(b []byte, x *history.Execution) []byte {
	b = appendText(append(b, `{"id":`...), x.ID)
	b = appendText(append(b, `,"workflow":`...), x.Workflow)
	b = strconv.AppendInt(append(b, `,"version":`...), int64(x.Version), 10)
	b = strconv.AppendInt(append(b, `,"run":`...), int64(x.Run), 10)
	b = appendText(append(b, `,"status":`...), string(x.Status))
	b = appendText(append(b, `,"priority":`...), x.Priority)
	b = appendLabels(append(b, `,"tags":`...), x.Tags)
	b = appendTime(append(b, `,"createdAt":`...), x.CreatedAt)
	b = appendWhen(append(b, `,"startedAt":`...), x.StartedAt)
	b = appendWhen(append(b, `,"endedAt":`...), x.EndedAt)
	b = appendTime(append(b, `,"deadline":`...), x.Deadline)
	if len(x.Input) > 0 {
		b = append(append(b, `,"input":`...), x.Input...)
	}
	b = appendRaw(append(b, `,"output":`...), x.Output)
	b = appendError(append(b, `,"error":`...), x.Error)
	b = appendList(append(b, `,"waitingFor":`...), x.WaitingFor, appendPending)
	if len(x.Steps) > 0 {
		b = appendList(append(b, `,"steps":`...), x.Steps, appendStep)
	}
	if x.Cost != nil {
		cost, _ := json.Marshal(x.Cost) // finite numbers cannot fail
		b = append(append(b, `,"cost":`...), cost...)
	}
	return append(b, '}')
}

func appendStep(b []byte, s *history.Step) []byte {
	b = appendText(append(b, `{"id":`...), s.ID)
	b = appendText(append(b, `,"type":`...), s.Type)
	b = appendText(append(b, `,"status":`...), string(s.Status))
	b = appendRaw(append(b, `,"output":`...), s.Output)
	b = appendError(append(b, `,"error":`...), s.Error)
	b = appendList(append(b, `,"attempts":`...), s.Attempts, appendAttempt)
	if s.StartedAt != nil {
		b = appendTime(append(b, `,"startedAt":`...), *s.StartedAt)
	}
	if s.EndedAt != nil {
		b = appendTime(append(b, `,"endedAt":`...), *s.EndedAt)
	}
	return append(b, '}')
}

func appendAttempt(b []byte, a *history.Attempt) []byte {
	b = strconv.AppendInt(append(b, `{"n":`...), int64(a.N), 10)
	b = appendTime(append(b, `,"startedAt":`...), a.StartedAt)
	b = appendWhen(append(b, `,"endedAt":`...), a.EndedAt)
	b = appendText(append(b, `,"outcome":`...), a.Outcome)
	b = appendUnlessEmpty(b, `,"category":`, a.Category)
	b = appendUnlessEmpty(b, `,"message":`, a.Message)
	b = appendUnlessEmpty(b, `,"delay":`, a.Delay)
	return append(b, '}')
}

func appendPending(b []byte, w *history.Wait) []byte {
	b = append(b, '{')
	if w.Step != "" {
		b = append(appendText(append(b, `"step":`...), w.Step), ',')
	}
	b = appendText(append(b, `"reason":`...), w.Reason)
	b = appendWhen(append(b, `,"until":`...), w.Until)
	return append(appendUnlessEmpty(b, `,"url":`, w.URL), '}')
}

func appendError(b []byte, e *history.Error) []byte {
	if e == nil {
		return append(b, "null"...)
	}
	b = appendText(append(b, `{"category":`...), e.Category)
	b = appendUnlessEmpty(b, `,"code":`, e.Code)
	b = appendText(append(b, `,"message":`...), e.Message)
	return append(appendUnlessEmpty(b, `,"step":`, e.Step), '}')
}

func appendList[T any](b []byte, list []T, each func([]byte, *T) []byte) []byte {
	if list == nil {
		return append(b, "null"...)
	}
	b = append(b, '[')
	for i := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = each(b, &list[i])
	}
	return append(b, ']')
}

func appendLabels(b []byte, labels map[string]string) []byte {
	if len(labels) == 0 && labels != nil {
		return append(b, "{}"...)
	}
	text, _ := json.Marshal(labels) // strings cannot fail
	return append(b, text...)
}

func appendRaw(b []byte, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return append(b, "null"...)
	}
	return append(b, raw...)
}

func appendUnlessEmpty(b []byte, name, s string) []byte {
	if s == "" {
		return b
	}
	return appendText(append(b, name...), s)
}

func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			q, _ := json.Marshal(s) // a string cannot fail
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}

func appendWhen(b []byte, t *time.Time) []byte {
	if t == nil {
		return append(b, "null"...)
	}
	return appendTime(b, *t)
}
