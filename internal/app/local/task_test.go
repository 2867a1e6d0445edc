package local

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A task of Step Functions is taken where AWS is configured. Elsewhere it could not
// be answered, so the start is refused rather than the task left waiting.
func TestTaskNeedsAWS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		vars   map[string]string
		status int
		says   string
	}{
		"without a region": {nil, http.StatusUnprocessableEntity, "set AWS_REGION"},
		"with one":         {map[string]string{"AWS_REGION": "eu-central-1"}, http.StatusAccepted, `"status":"queued"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := machineWith(t, c.vars)
			ask := func(function, method, target, body string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(method, target, strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				m.HTTP(function).ServeHTTP(w, r)
				return w
			}
			if w := ask("admin", "PUT", "/v1/workflows/one", `{"name":"one","steps":[{"id":"a","type":"transform","output":1}]}`); w.Code != http.StatusCreated {
				t.Fatalf("the workflow is answered with %d %s", w.Code, w.Body)
			}
			w := ask("execute", "POST", "/v1/executions", `{"workflow":"one","stepFunctions":{"taskToken":"AQCE"}}`)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) || strings.Contains(w.Body.String(), "AQCE") {
				t.Errorf("answered with %d %s, want %d and %q", w.Code, w.Body, c.status, c.says)
			}
			if c.status != http.StatusAccepted && !strings.Contains(w.Body.String(), `"pointer":"/stepFunctions"`) {
				t.Errorf("%s does not name the field", w.Body)
			}
		})
	}
}
