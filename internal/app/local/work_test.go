package local

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/record"
)

// TestOneSlowCallKeepsOneSlot: a call that takes its time is one of a batch of
// ten on a machine that works on ten. The others of its batch, and forty more,
// are over while it lasts; its message is the only one left.
func TestOneSlowCallKeepsOneSlot(t *testing.T) {
	t.Parallel()
	called, answer := make(chan struct{}, 10), make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		called <- struct{}{}
		<-answer
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `1`)
	}))
	t.Cleanup(service.Close)
	let := sync.OnceFunc(func() { close(answer) })
	m := machine(t)
	m.config.Workers = 10
	registers(t, m, "slow", fmt.Sprintf(`{"name": "slow", "steps": [{"id": "a", "type": "http", "request": {"url": %q}}]}`, service.URL))
	registers(t, m, "fast", `{"name": "fast", "steps": [{"id": "a", "type": "transform", "output": 1}]}`)
	slow := starts(t, m, "slow")
	var fast []string
	for range 49 {
		fast = append(fast, starts(t, m, "fast"))
	}
	work(t, m)
	t.Cleanup(let) // before the machine waits for what is in hand
	<-called
	for i, id := range fast {
		if got := ends(t, m, id); got != record.Succeeded {
			t.Fatalf("fast execution %d of %d is %q beside a slow one, want succeeded", i+1, len(fast), got)
		}
	}
	select {
	case <-called:
		t.Error("the slow call was made twice")
	default:
	}
	let()
	if got := ends(t, m, slow); got != record.Succeeded {
		t.Errorf("the slow execution is %q, want succeeded", got)
	}
}

func registers(t *testing.T, m *Machine, name, document string) {
	t.Helper()
	if code, answer := asked(m, http.MethodPut, "/v1/workflows/"+name, document); code != http.StatusCreated {
		t.Fatalf("PUT %s: %d %s", name, code, answer)
	}
}

func starts(t *testing.T, m *Machine, workflow string) (id string) {
	t.Helper()
	code, answer := asked(m, http.MethodPost, "/v1/executions", fmt.Sprintf(`{"workflow": %q}`, workflow))
	var started struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &started); code != http.StatusAccepted || err != nil {
		t.Fatalf("start of %s: %d %s", workflow, code, answer)
	}
	return started.ID
}

// ends waits for the execution's end; late, it is what it is.
func ends(t *testing.T, m *Machine, id string) record.Status {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, _ = m.Runner.Await(ctx, api.DefaultTenant, id) // what came of it is read
	x, err := m.History.Get(t.Context(), api.DefaultTenant, id)
	if err != nil {
		t.Fatal(err)
	}
	return x.Status
}

func asked(m *Machine, method, path, body string) (code int, answer string) {
	r := httptest.NewRequestWithContext(context.Background(), method, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	m.API().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}
