package standintest

import (
	"bytes"
	"io"
	"net/http"
	"time"
)

// bridge makes requests outside of any bubble. All its channels and goroutines
// are made before the first test, so they belong to none.
type bridge struct {
	jobs    chan job
	replies chan chan reply // that are free
}

type job struct {
	method, url string
	header      http.Header
	body        []byte
	reply       chan reply
}

type reply struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// carriers is how many requests may be under way at once.
const carriers = 64

var outside = newBridge()

func newBridge() *bridge {
	b := &bridge{jobs: make(chan job), replies: make(chan chan reply, carriers)}
	client := &http.Client{
		Timeout:   time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: carriers},
	}
	for range carriers {
		b.replies <- make(chan reply, 1)
		go func() {
			for j := range b.jobs {
				j.reply <- j.do(client)
			}
		}()
	}
	return b
}

func (j *job) do(client *http.Client) (r reply) {
	req, err := http.NewRequest(j.method, j.url, bytes.NewReader(j.body))
	if err != nil {
		return reply{err: err}
	}
	req.Header = j.header
	res, err := client.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return reply{res.StatusCode, res.Header, body, err}
}

// Do makes a request from inside a bubble. Whatever becomes of its context, it
// waits for the answer: virtual time stands still meanwhile.
func (b *bridge) Do(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	var body []byte
	if req.Body != nil {
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	r := b.send(req.Method, req.URL.String(), req.Header.Clone(), body)
	if r.err != nil {
		return nil, r.err
	}
	return &http.Response{
		StatusCode: r.status, Status: http.StatusText(r.status), Header: r.header, Request: req,
		Body: io.NopCloser(bytes.NewReader(r.body)), ContentLength: int64(len(r.body)),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}, nil
}

func (b *bridge) send(method, url string, header http.Header, body []byte) reply {
	back := <-b.replies
	defer func() { b.replies <- back }()
	b.jobs <- job{method, url, header, body, back}
	return <-back
}
