package engine

import (
	"encoding/json"
	"errors"

	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/retry"
)

// evaluator is a template or a condition.
type evaluator[T any] interface {
	Reads() []string
	Eval(env expr.Env) (T, error)
}

// evaluate reads what e needs and evaluates it. where names it in an error.
func evaluate[T any](m *Machine, where string, e evaluator[T], env expr.Env) (T, *record.Error) {
	if err := m.read(where, e.Reads()); err != nil {
		var none T
		return none, err
	}
	v, err := e.Eval(env)
	if err != nil {
		return v, expressionError(where, err)
	}
	return v, nil
}

// read makes the results of these steps readable in the environment, for the
// expression at where.
func (m *Machine) read(where string, ids []string) *record.Error {
	for _, id := range ids {
		s := m.doc.Step(id)
		if s == nil || m.steps[id] != nil {
			continue
		}
		n := &m.nodes[s.Index]
		if !n.settled {
			continue
		}
		if !n.decoded {
			v, err := decode(n.output)
			if err != nil {
				return unreadable(where, "output", id, err)
			}
			n.value, n.decoded = v, true
		}
		response, err := n.response()
		if err != nil {
			return unreadable(where, "response", id, err)
		}
		m.steps[id] = map[string]any{
			"output": n.value, "status": string(n.status),
			"response": response, "error": n.failure(),
		}
	}
	return nil
}

func (n *node) response() (any, error) {
	if n.rec == nil {
		return nil, nil
	}
	return decode(n.rec.Body.Response)
}

func (n *node) failure() any {
	if n.err == nil {
		return nil
	}
	return map[string]any{"category": n.err.Category, "code": n.err.Code, "message": n.err.Message}
}

func decode(raw json.RawMessage) (any, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	return expr.Decode(raw)
}

// unreadable is the error of an expression that needs a stored value which does
// not decode. Each is checked before it is stored, but not every version has
// checked enough; null in its place would lead down a wrong branch.
func unreadable(where, what, id string, err error) *record.Error {
	why := "it is not JSON" // the error itself may quote it
	var beyond *expr.Error
	if errors.As(err, &beyond) {
		why = beyond.Message
	}
	return (&record.Error{
		Category: string(retry.Internal), Code: "stored_value",
		Message: where + ": the stored " + what + " of step " + id + " cannot be read: " + why,
	}).Clip()
}

func expressionError(where string, err error) *record.Error {
	msg := where + ": expression failed"
	var e *expr.Error
	if errors.As(err, &e) {
		msg = where + ": " + e.Error()
	}
	return (&record.Error{Category: string(retry.Validation), Code: "expression", Message: msg}).Clip()
}
