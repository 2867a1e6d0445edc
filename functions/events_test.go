package functions_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/invocation"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/wiring"
)

// publicURL is the base of callback addresses wherever the samples run.
const publicURL = "https://flows.example.com"

// callbackKey signs the callback addresses of the samples' runs.
const callbackKey = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// sampleQueues are the names of the queues that the samples come from.
var sampleQueues = map[queue.Lane]string{
	queue.High: "stepline-HighQueue-1A", queue.Normal: "stepline-NormalQueue-2B",
	queue.Low: "stepline-LowQueue-3C", queue.Solo: "stepline-SoloQueue-4D", queue.Dead: "stepline-DeadLetterQueue-5E",
}

// embedded is the services on a file of their own, whose calls are noted.
func embedded(t *testing.T, n *notes) *app.Services {
	t.Helper()
	return embeddedOn(t, n, func(inner table.Table) table.Table { return inner })
}

// embeddedOn is embedded on a table with something around it.
func embeddedOn(t *testing.T, n *notes, around func(table.Table) table.Table) *app.Services {
	t.Helper()
	w, err := wiring.Read("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.DiscardHandler)
	m, err := local.Open(local.Config{Data: t.TempDir(), PublicURL: publicURL}.WithDefaults(), w, time.Now, func(string) string { return "" }, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	var mounts []api.Mount
	for _, r := range w.Routes {
		mounts = append(mounts, api.Mount(r))
	}
	routes, err := api.Mounted(mounts)
	if err != nil {
		t.Fatal(err)
	}
	s, err := app.New(app.Ports{
		Table: notedTable{around(m.Table), n}, Queue: notedQueue{m.Queue, n}, HTTP: step.NewHTTP(step.HTTPConfig{Now: time.Now}), Tasks: uncalled{t},
		Secrets: sampleSecrets(t), Now: time.Now, Incarnation: m.File.Incarnation(), Dead: m.File.Dead,
	}, app.Config{Keys: [][]byte{[]byte(callbackKey)}, PublicURL: publicURL, Routes: routes, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// uncalled is a Step Functions that no sample calls: none of its executions that a
// task waits for ends.
type uncalled struct{ t *testing.T }

func (u uncalled) called() error { u.t.Error("Step Functions was called"); return nil }

func (u uncalled) Succeed(context.Context, string, json.RawMessage) error { return u.called() }
func (u uncalled) Fail(context.Context, string, string, string) error     { return u.called() }
func (u uncalled) Beat(context.Context, string) error                     { return u.called() }

// sampleSecret signs the samples' webhooks: the secret shop, which a function
// without a prefix for the Parameter Store finds in STEPLINE_SECRET_SHOP.
const sampleSecret = "sample-secret"

func sampleSecrets(t *testing.T) *secret.Resolver {
	t.Helper()
	store, err := secret.NewEnv(func(name string) string { return map[string]string{"STEPLINE_SECRET_SHOP": sampleSecret}[name] }, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := secret.NewResolver(store, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// handler is what a function's main hands to Lambda, on other services.
func handler(t *testing.T, s *app.Services, function string, log *slog.Logger) lambda.Handler {
	t.Helper()
	if h, err := s.Messages(function); err == nil {
		return invocation.Messages(h, invocation.LanesOf(sampleQueues), log)
	}
	if f, err := s.Scheduled(function); err == nil {
		return invocation.Schedule(f, log)
	}
	return invocation.HTTP(s.HTTP(function), log)
}

// invoke is one invocation as Lambda makes it: an error becomes the object that
// a caller sees.
func invoke(t *testing.T, h lambda.Handler, payload []byte) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := h.Invoke(lambdacontext.NewContext(ctx, &lambdacontext.LambdaContext{AwsRequestID: "0f6d2c1b-4a59-4d0e-9a3e-5e1b7a527f0c"}), payload)
	if err != nil {
		out, _ = json.Marshal(map[string]string{"errorMessage": err.Error(), "errorType": "errorString"})
	}
	return out
}

// TestSamplesInProcess runs every sample through its function's handler on the
// embedded drivers.
func TestSamplesInProcess(t *testing.T) {
	t.Parallel()
	var n notes
	services := embedded(t, &n)
	var s story
	for _, name := range order {
		n.begin(path.Dir(name))
		h := handler(t, services, path.Dir(name), slog.New(slog.DiscardHandler))
		answer := invoke(t, h, s.send(sample(t, name)))
		if err := s.learn(name, answer); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.compare(t, name, answer)
	}
	n.compare(t)
}

// TestMainsAreShort: a main is configuration, services, one handler, nothing
// else.
func TestMainsAreShort(t *testing.T) {
	t.Parallel()
	for _, f := range wiring.Functions {
		src, err := os.ReadFile(f + "/main.go")
		if errors.Is(err, os.ErrNotExist) {
			t.Errorf("functions/%s/main.go is missing", f)
			continue
		}
		if lines := strings.Count(string(src), "\n"); err != nil || lines > 30 {
			t.Errorf("functions/%s/main.go has %d lines (%v); 30 at most", f, lines, err)
		}
	}
}
