package standintest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// VirtualQueues starts an ElasticMQ whose clock is the bubble's, and returns a
// configuration that reaches it and its address. visibility is that of all its
// queues. It goes with the test.
func VirtualQueues(t testing.TB, visibility time.Duration) (cfg aws.Config, endpoint string) {
	t.Helper()
	clocks := address(t, ClocksVariable)
	var id, port string
	r := outside.send(http.MethodPost, clocks+"/new", nil, nil)
	if _, err := fmt.Sscan(string(r.body), &id, &port); r.err != nil || err != nil {
		t.Fatalf("no queue server with a clock: %v, %v (%s)", r.err, err, r.body)
	}
	t.Cleanup(func() { outside.send(http.MethodPost, clocks+"/end/"+id, nil, nil) })
	c := &clocked{hand: clocks + "/set/" + id + "/", visibility: visibility, changed: make(chan struct{})}
	return sdk(c), "http://127.0.0.1:" + port
}

// clocked sets the server's clock before each request, and waits for messages
// in the bubble's time where the server would wait in the machine's.
type clocked struct {
	hand       string // the address that sets the clock
	visibility time.Duration

	mu      sync.Mutex
	due     []time.Time // when a message may become visible
	changed chan struct{}
}

// call is what the waiting needs of a request.
type call struct {
	WaitTimeSeconds   int
	VisibilityTimeout int
	Entries           []struct{ DelaySeconds int }
}

func (c *clocked) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var in call
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if operation == "ReceiveMessage" {
		return c.receive(req, body, in)
	}
	at := time.Now()
	if operation == "GetQueueAttributes" {
		at = at.Add(time.Millisecond) // what is visible from this moment counts as delayed in it
	}
	res, err := c.send(req, body, at)
	switch operation {
	case "SendMessageBatch":
		for _, e := range in.Entries {
			c.expect(time.Duration(e.DelaySeconds) * time.Second)
		}
	case "ChangeMessageVisibility":
		c.expect(time.Duration(in.VisibilityTimeout) * time.Second)
	}
	return res, err
}

func (c *clocked) send(req *http.Request, body []byte, at time.Time) (*http.Response, error) {
	if r := outside.send(http.MethodPost, fmt.Sprint(c.hand, at.UnixMilli()), nil, nil); r.err != nil {
		return nil, r.err
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	return outside.Do(req)
}

// receive asks at once, and again whenever a message may have become visible,
// until there is one or the wait is over.
func (c *clocked) receive(req *http.Request, body []byte, in call) (*http.Response, error) {
	end := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer end.Stop()
	body = bytes.Replace(body, fmt.Appendf(nil, `"WaitTimeSeconds":%d`, in.WaitTimeSeconds), []byte(`"WaitTimeSeconds":0`), 1)
	for {
		next, changed := c.next()
		res, err := c.send(req, body, time.Now())
		if err != nil || res.StatusCode != http.StatusOK {
			return res, err
		}
		answer, err := io.ReadAll(res.Body)
		if err != nil {
			return nil, err
		}
		res.Body = io.NopCloser(bytes.NewReader(answer))
		if bytes.Contains(answer, []byte(`"ReceiptHandle"`)) {
			c.expect(c.visibility)
			return res, nil
		}
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-end.C:
			return res, nil
		case <-changed:
		case <-next:
		}
	}
}

// expect notes that a message may become visible.
func (c *clocked) expect(in time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.due = append(c.due, time.Now().Add(in))
	close(c.changed)
	c.changed = make(chan struct{})
}

// next fires at the next time when a message may become visible, or when there
// is a new one to wait for.
func (c *clocked) next() (at <-chan time.Time, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, soonest := time.Now(), time.Time{}
	for _, due := range c.due {
		if due.After(now) && (soonest.IsZero() || due.Before(soonest)) {
			soonest = due
		}
	}
	if !soonest.IsZero() {
		at = time.After(soonest.Sub(now))
	}
	return at, c.changed
}
