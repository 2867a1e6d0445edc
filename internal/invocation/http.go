package invocation

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/seed-926d1ba8/stepline/internal/api"
)

// HTTP serves HTTP API and function URL events (payload format 2.0) with h. An
// event that is neither is answered with 400. It returns no error: whoever
// called gets an answer.
func HTTP(h http.Handler, log *slog.Logger) lambda.Handler { return &httpAdapter{h, log} }

type httpAdapter struct {
	handler http.Handler
	log     *slog.Logger
}

func (a *httpAdapter) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	ctx, id, end := begin(ctx)
	defer end()
	w := &response{header: http.Header{}}
	r, err := request(ctx, payload, id)
	if err != nil {
		a.log.ErrorContext(ctx, "the event is no API event", slog.Any("error", err))
		w.header.Set("X-Request-Id", id)
		w.problem("bad_event", "The event is no API event", http.StatusBadRequest, err.Error())
		return w.event(http.MethodPost).encode()
	}
	w.gzip = acceptsGzip(r.Header)
	a.handler.ServeHTTP(w, r)
	out, err := w.event(r.Method).encode()
	if err == nil && len(out) > maxAnswer {
		a.log.ErrorContext(ctx, "the answer is larger than Lambda carries", slog.Int("bytes", len(out)),
			slog.String("method", r.Method), slog.String("path", api.LogPath(r)))
		detail := tooLargeDetail
		if !w.gzip {
			detail += gzipDetail
		}
		// What was started exists, and Location says where.
		w = &response{header: http.Header{"X-Request-Id": w.header.Values("X-Request-Id"), "Location": w.header.Values("Location")}}
		w.problem("answer_too_large", "The answer is too large", http.StatusInternalServerError, detail)
		return w.event(r.Method).encode()
	}
	return out, err
}

// problem answers in the API's own words.
func (w *response) problem(kind, title string, status int, detail string) {
	body, _ := json.Marshal(api.Problem{Type: api.ProblemType + kind, Title: title, Status: status, Detail: detail}) // texts and a number cannot fail
	w.header.Set("Content-Type", "application/problem+json")
	w.status = status
	w.body.Write(body)
}
