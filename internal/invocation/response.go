package invocation

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
)

// maxAnswer is what Lambda takes as the answer of one invocation.
const maxAnswer = 6*1024*1024 - 1024

const (
	tooLargeDetail = "The answer is larger than the 6 MB that Lambda carries."
	gzipDetail     = " Accept-Encoding: gzip makes it smaller."
)

// compressAbove is the size from which a body is compressed for a client that
// takes it. Below, an answer costs less time than its compression.
const compressAbove = 1024 * 1024

// response collects what a handler answers.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
	gzip   bool // the client takes it
}

var _ http.ResponseWriter = (*response)(nil)

func (w *response) Header() http.Header { return w.header }

// WriteHeader takes the first final status, as a server does. What a handler
// changes in the header afterwards would not be sent by a server and is here;
// no handler does.
func (w *response) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
}

func (w *response) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// event is the answer to a request of this method.
func (w *response) event(method string) answer {
	w.WriteHeader(http.StatusOK)
	body := w.body.Bytes()
	if len(body) > 0 && w.header.Get("Content-Type") == "" {
		w.header.Set("Content-Type", http.DetectContentType(body))
	}
	switch {
	case method == http.MethodHead, w.status == http.StatusNoContent, w.status == http.StatusNotModified:
		body = nil
	case w.gzip && len(body) > compressAbove && w.header.Get("Content-Encoding") == "":
		body = w.compress(body)
	}
	out := answer{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.header.Values("Set-Cookie")}
	for name, values := range w.header {
		if !hopByHop[name] && len(values) > 0 {
			out.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
		}
	}
	if out.IsBase64Encoded = !isText(w.header, body); out.IsBase64Encoded {
		out.Body = base64.StdEncoding.EncodeToString(body)
	} else {
		out.Body = string(body)
	}
	return out
}

// answer is what both sources take: the function URL's form is the HTTP API's
// without what payload format 2.0 does not know.
type answer events.LambdaFunctionURLResponse

// encode writes the answer as JSON, byte for byte what Lambda gets. A text that
// is too large as a JSON string, since that escapes quotes and controls, may fit
// in base64, which to the client is the same.
func (a answer) encode() ([]byte, error) {
	out, err := marshal(a)
	if err != nil || len(out) <= maxAnswer || a.IsBase64Encoded {
		return out, err
	}
	a.Body, a.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(a.Body)), true
	return marshal(a)
}

// marshal leaves <, > and & as they are, which encoding/json by itself would make
// six times as long.
func marshal(a answer) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(a)
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'}), err
}

// hopByHop are fields that belong to a connection, which there is none of, and
// those that are told in another way.
var hopByHop = map[string]bool{"Connection": true, "Keep-Alive": true, "Transfer-Encoding": true, "Content-Length": true, "Set-Cookie": true}

func (w *response) compress(body []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(body) // memory takes everything
	_ = z.Close()
	w.header.Set("Content-Encoding", "gzip")
	w.header.Add("Vary", "Accept-Encoding")
	return b.Bytes()
}

func acceptsGzip(h http.Header) bool {
	for _, field := range h.Values("Accept-Encoding") {
		for coding := range strings.SplitSeq(field, ",") {
			name, q, _ := strings.Cut(strings.TrimSpace(coding), ";")
			if (name == "gzip" || name == "*") && strings.TrimSpace(q) != "q=0" {
				return true
			}
		}
	}
	return false
}

// isText reports whether a body may stand in JSON as it is.
func isText(h http.Header, body []byte) bool {
	if h.Get("Content-Encoding") != "" || !utf8.Valid(body) {
		return false
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return len(body) == 0
	}
	return strings.HasPrefix(kind, "text/") || strings.HasSuffix(kind, "+json") || strings.HasSuffix(kind, "+xml") ||
		kind == "application/json" || kind == "application/yaml" || kind == "application/xml" || kind == "application/javascript"
}
