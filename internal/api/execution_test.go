package api_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
)

func TestGetHasAStrongETag(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.x = ended(record.Running)
	first := b.want(200, "GET", one, "")
	tag := first.header.Get("ETag")
	if len(tag) < 10 || tag[0] != '"' {
		t.Fatalf("ETag = %q, want a strong one", tag)
	}
	if again := b.want(200, "GET", one, ""); again.header.Get("ETag") != tag || again.body != first.body {
		t.Errorf("the same content has another tag or body: %v", again)
	}
	for _, match := range []string{tag, "W/" + tag, `"x", ` + tag, "*"} {
		if out := b.want(304, "GET", one, "", "If-None-Match", match); out.body != "" || out.header.Get("ETag") != tag {
			t.Errorf("If-None-Match %s: body %q, tag %q", match, out.body, out.header.Get("ETag"))
		}
	}
	b.want(200, "GET", one, "", "If-None-Match", `"x"`)
	b.want(304, "HEAD", one, "", "If-None-Match", tag)
	b.reads.x = ended(record.Succeeded)
	if out := b.want(200, "GET", one, "", "If-None-Match", tag); out.header.Get("ETag") == tag {
		t.Error("other content has the same tag")
	}
}

func TestGetOfAnEarlierRun(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	x := ended(record.Succeeded)
	x.Run = 3
	b.reads.x = x
	for _, path := range []string{one, one + "/timeline"} {
		b.want(200, "GET", path+"?run=2", "")
		b.want(404, "GET", path+"?run=4", "")
		for _, bad := range []string{"0", "-1", "x", ""} {
			if out := b.want(400, "GET", path+"?run="+bad, ""); !strings.Contains(out.body, "query parameter run must be a whole number") {
				t.Errorf("run=%s: %s", bad, out.body)
			}
		}
	}
	var shown history.Execution
	if err := json.Unmarshal([]byte(b.want(200, "GET", one+"?run=2", "").body), &shown); err != nil || shown.Run != 2 {
		t.Errorf("run 2 is shown as run %d (%v)", shown.Run, err)
	}
}

func TestGetOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.want(404, "GET", one, "")
	b.want(404, "GET", one+"/timeline", "")
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		method, path, body string
		want               call
	}{
		{"DELETE", "", "", call{"cancel", api.DefaultTenant, someID, nil}},
		{"POST", "/pause", "", call{"pause", api.DefaultTenant, someID, nil}},
		{"POST", "/pause", "{}", call{"pause", api.DefaultTenant, someID, nil}},
		{"POST", "/resume", "", call{"resume", api.DefaultTenant, someID, runner.Decision{}}},
		{"POST", "/resume", `{"step":"crm","as":"again"}`, call{"resume", api.DefaultTenant, someID, runner.Decision{Step: "crm", As: "again"}}},
		{"POST", "/resume", `{"as":"failed","step":"crm"}`, call{"resume", api.DefaultTenant, someID, runner.Decision{Step: "crm", As: "failed"}}},
		{"POST", "/retry", "", call{"retry", api.DefaultTenant, someID, runner.RetryRequest{From: "failed"}}},
		{"POST", "/retry", `{"from":"crm","version":"live","input":{"a":1}}`, call{"retry", api.DefaultTenant, someID, runner.RetryRequest{From: "crm", Live: true, Input: json.RawMessage(`{"a":1}`)}}},
		{"POST", "/retry", `{"version":"pinned"}`, call{"retry", api.DefaultTenant, someID, runner.RetryRequest{From: "failed"}}},
	} {
		t.Run(c.method+c.path+c.body, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			out := b.want(202, c.method, one+c.path, c.body)
			if len(b.engine.calls) != 1 || !reflect.DeepEqual(b.engine.calls[0], c.want) {
				t.Errorf("the engine was asked %+v, want %+v", b.engine.calls, c.want)
			}
			if a := decode[api.Accepted](t, out); a.ID != someID || out.header.Get("Location") != one {
				t.Errorf("answer %s, Location %q", out.body, out.header.Get("Location"))
			}
			for code, status := range map[problem.Code]int{problem.Conflict: 409, problem.NotFound: 404} {
				b.engine.err = problem.New(code, "so it is")
				if out := b.want(status, c.method, one+c.path, c.body); !strings.Contains(out.body, "so it is") {
					t.Errorf("%s: %s", code, out.body)
				}
			}
		})
	}
}

func TestCallbacks(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	for body, want := range map[string]string{"": "", `{"a": 1}`: `{"a": 1}`, `null`: "null", `"x"`: `"x"`} {
		b.engine.calls = nil
		out := b.want(200, "POST", "/-/callbacks/tok.mac?utm=x", body)
		if out.body != "{\"status\":\"accepted\"}\n" || len(b.engine.calls) != 1 || b.engine.calls[0] != (call{"callback", "", "tok.mac", want}) {
			t.Errorf("%s: %s, the engine was asked %v", body, out.body, b.engine.calls)
		}
	}
	for code, status := range map[problem.Code]int{problem.NotFound: 404, problem.Conflict: 409, problem.Invalid: 422} {
		b.engine.err = problem.New(code, "so it is")
		b.want(status, "POST", "/-/callbacks/tok", `{}`)
	}
}

func TestListPassesTheFilterOn(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.reads.list = history.List{Items: []history.Execution{*ended(record.Succeeded)}, Next: "more"}
	out := b.want(200, "GET", "/v1/executions?workflow=orders&version=2&status=failed&from=2026-03-01T13:00:00%2B01:00&to=2026-03-02T00:00:00.5Z&limit=7&cursor=abc", "")
	want := history.Filter{
		Workflow: "orders", Version: 2, Status: record.Failed, Limit: 7, Cursor: "abc",
		From: noon, To: time.Date(2026, 3, 2, 0, 0, 0, 500_000_000, time.UTC),
	}
	got := b.reads.filters[0]
	got.From = got.From.UTC()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("filter %+v\nwant %+v", got, want)
	}
	page := decode[map[string]any](t, out)
	item := page["items"].([]any)[0].(map[string]any)
	if page["next"] != "more" || item["id"] != someID || item["status"] != "succeeded" {
		t.Errorf("page %s", out.body)
	}
	for _, absent := range []string{"steps", "input", "output"} {
		if _, there := item[absent]; there {
			t.Errorf("an item has %q: a list does not read it", absent)
		}
	}
}

// The time that Go takes for none is a bound like every other.
func TestTheFirstTimeIsABound(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"0001-01-01T00:00:00Z", "0001-01-01T01:00:00%2B01:00"} {
		b := newBundle(t)
		b.want(200, "GET", "/v1/executions?to="+at, "")
		if to := b.reads.filters[0].To; to.IsZero() || to.Year() != 1 {
			t.Errorf("to=%s is the bound %v", at, to)
		}
		b.want(200, "GET", "/v1/executions?to=2026-03-01T00:00:00Z&from="+at, "")
		b.want(400, "GET", "/v1/executions?from=2026-03-01T00:00:00Z&to="+at, "")
	}
}

func TestAnEmptyListHasItemsAndNoNext(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	if out := b.want(200, "GET", "/v1/executions", ""); out.body != "{\"items\":[]}\n" {
		t.Errorf("list = %s", out.body)
	}
	if got := b.reads.filters[0]; got != (history.Filter{Limit: history.DefaultLimit}) {
		t.Errorf("filter = %+v", got)
	}
	b.reads.err = problem.New(problem.BadRequest, "query parameter cursor must be the `next` of an earlier page, unchanged")
	if out := b.want(400, "GET", "/v1/executions?cursor=abc", ""); !strings.Contains(out.body, "cursor") {
		t.Errorf("problem = %s", out.body)
	}
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	ptr := func(t time.Time) *time.Time { return &t }
	x := ended(record.Failed)
	x.StartedAt, x.EndedAt = ptr(at(1)), ptr(at(9))
	x.Error = &history.Error{Category: "upstream", Message: "503", Step: "crm"}
	x.Steps = []history.Step{
		{ID: "crm", Attempts: []history.Attempt{
			{N: 1, StartedAt: at(1), EndedAt: ptr(at(2)), Outcome: "failed", Category: "upstream", Message: "503", Delay: "2s"},
			{N: 2, StartedAt: at(4), EndedAt: ptr(at(9)), Outcome: "failed", Category: "upstream", Message: "503"},
		}},
		{ID: "mail", Attempts: []history.Attempt{{N: 1, StartedAt: at(1), EndedAt: ptr(at(3)), Outcome: "succeeded"}}},
	}
	b := newBundle(t)
	b.reads.x = x
	want := []string{
		"0 created  0 ", "1 started  0 ", "1 attempt_started crm 1 ", "1 attempt_started mail 1 ", "2 attempt_failed crm 1 2s",
		"3 attempt_succeeded mail 1 ", "4 attempt_started crm 2 ", "9 attempt_failed crm 2 ", "9 failed crm 0 ",
	}
	b.wantEvents(want)

	x.Status, x.EndedAt, x.Error = record.Waiting, nil, nil
	x.Steps[0].Attempts = x.Steps[0].Attempts[:1]
	x.WaitingFor = []history.Wait{{Step: "crm", Reason: "retry", Until: ptr(at(20))}, {Step: "new", Reason: "callback"}}
	b.wantEvents([]string{
		"0 created  0 ", "1 started  0 ", "1 attempt_started crm 1 ", "1 attempt_started mail 1 ", "2 attempt_failed crm 1 2s",
		"2 waiting crm 0 retry", "3 attempt_succeeded mail 1 ", "3 waiting new 0 callback",
	})
}

func (b *bundle) wantEvents(want []string) {
	b.t.Helper()
	page := decode[struct{ Items []api.Event }](b.t, b.want(http.StatusOK, "GET", one+"/timeline", ""))
	var got []string
	for _, e := range page.Items {
		got = append(got, strings.Join([]string{
			e.At.Sub(noon).String()[:1], e.Type, e.Step, string(rune('0' + e.Attempt)), e.Delay + e.Reason,
		}, " "))
	}
	if !reflect.DeepEqual(got, want) {
		b.t.Errorf("timeline\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
