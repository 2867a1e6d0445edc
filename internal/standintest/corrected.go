package standintest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// VirtualTables is a configuration that reaches DynamoDB Local from inside a
// bubble, and in which DynamoDB Local answers as DynamoDB does where the two
// differ in what the suite looks at.
func VirtualTables() aws.Config {
	return sdk(&corrected{used: map[string]time.Time{}})
}

// corrected stands between the driver and DynamoDB Local, whose clock cannot be
// set and which counts a few calls otherwise than DynamoDB's documentation:
//
//   - A token is forgotten after ten minutes of the machine's clock. Here a
//     fresh one is sent for it after ten minutes of the bubble's.
//   - A query that finds nothing, and an absent key of a batch, cost nothing;
//     they cost as much as the smallest item.
//   - A transaction's units are not split into writes and reads, the writes of
//     indexes are doubled, and a token that comes again costs two in all where
//     it is two reads of every item.
type corrected struct {
	mu   sync.Mutex
	used map[string]time.Time // tokens sent, since when
}

// tokenLife is how long DynamoDB remembers a token.
const tokenLife = 10 * time.Minute

// request is what the corrections need of a request.
type request struct {
	ClientRequestToken string
	ConsistentRead     bool
	TransactItems      []json.RawMessage
	RequestItems       map[string]struct {
		ConsistentRead bool
		Keys           []json.RawMessage
	}
}

// counted is the capacity in an answer.
type counted struct {
	CapacityUnits          float64            `json:"CapacityUnits"`
	WriteCapacityUnits     float64            `json:"WriteCapacityUnits,omitempty"`
	ReadCapacityUnits      float64            `json:"ReadCapacityUnits,omitempty"`
	GlobalSecondaryIndexes map[string]counted `json:"GlobalSecondaryIndexes,omitempty"`
}

func (c *corrected) Do(req *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	correct := map[string]func(request, map[string]json.RawMessage) any{
		"Query": query, "BatchGetItem": batch, "TransactWriteItems": transaction,
	}[operation]
	if correct == nil {
		return outside.Do(req)
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	var in request
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	token, again := c.token(in.ClientRequestToken)
	if token != in.ClientRequestToken {
		body = bytes.ReplaceAll(body, []byte(in.ClientRequestToken), []byte(token))
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	res, err := outside.Do(req)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, err
	}
	if operation == "TransactWriteItems" {
		c.remember(token)
		if again {
			correct = replay
		}
	}
	return rewrite(res, in, correct)
}

// rewrite replaces the capacity in an answer.
func rewrite(res *http.Response, in request, correct func(request, map[string]json.RawMessage) any) (*http.Response, error) {
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var out map[string]json.RawMessage
	if err := json.Unmarshal(body, &out); err != nil {
		return nil, err
	}
	if out["ConsumedCapacity"], err = json.Marshal(correct(in, out)); err != nil {
		return nil, err
	}
	if body, err = json.Marshal(out); err != nil {
		return nil, err
	}
	res.Body, res.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	res.Header.Del("Content-Length")
	return res, nil
}

// least is what the smallest read costs.
func least(strong bool) float64 {
	if strong {
		return 1
	}
	return 0.5
}

func query(in request, out map[string]json.RawMessage) any {
	var c counted
	_ = json.Unmarshal(out["ConsumedCapacity"], &c)
	c.CapacityUnits = max(c.CapacityUnits, least(in.ConsistentRead))
	return c
}

func batch(in request, out map[string]json.RawMessage) any {
	var cs []counted
	var found map[string][]json.RawMessage
	_ = json.Unmarshal(out["ConsumedCapacity"], &cs)
	_ = json.Unmarshal(out["Responses"], &found)
	for name, asked := range in.RequestItems {
		absent := len(asked.Keys) - len(found[name])
		cs = append(cs, counted{CapacityUnits: float64(absent) * least(asked.ConsistentRead)})
	}
	return cs
}

func transaction(_ request, out map[string]json.RawMessage) any {
	var cs []counted
	_ = json.Unmarshal(out["ConsumedCapacity"], &cs)
	for i := range cs {
		for _, index := range cs[i].GlobalSecondaryIndexes {
			cs[i].CapacityUnits -= index.CapacityUnits / 2
		}
		cs[i].WriteCapacityUnits = cs[i].CapacityUnits
	}
	return cs
}

// replay is right for items of at most 4 KB.
func replay(in request, _ map[string]json.RawMessage) any {
	units := float64(2 * len(in.TransactItems))
	return []counted{{CapacityUnits: units, ReadCapacityUnits: units}}
}

// token is the one to send, and whether it was used within its life.
func (c *corrected) token(token string) (send string, again bool) {
	if token == "" {
		return "", false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for life := 0; ; life++ {
		if send = token; life > 0 {
			send = fmt.Sprintf("%d%s", life, token[1:])
		}
		at, used := c.used[send]
		if !used || time.Since(at) < tokenLife {
			return send, used
		}
	}
}

func (c *corrected) remember(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, used := c.used[token]; !used {
		c.used[token] = time.Now()
	}
}
