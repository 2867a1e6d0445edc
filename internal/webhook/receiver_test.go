package webhook_test

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/webhook"
)

func TestAnEventStartsOnce(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		first := b.receive(b.signed("msg_1", order(1)))
		if first.Repeated || first.Event != "msg_1" {
			t.Errorf("got %+v", first)
		}
		b.pass(2 * time.Hour) // the provider tries again, with a new signature
		again := b.receive(b.signed("msg_1", order(1)))
		if !again.Repeated || again.Executions[0] != first.Executions[0] {
			t.Errorf("got %+v, want %+v repeated", again, first)
		}
		b.only(first.Executions[0])
		if got := b.input(first.Executions[0]); got != `{"id":"o1","n":1}` {
			t.Errorf("input is %s", got)
		}
		other := b.receive(b.signed("msg_2", order(1)))
		if other.Repeated || other.Executions[0] == first.Executions[0] {
			t.Errorf("another event is %+v", other)
		}
	})
}

func TestAnEventIsForgottenAfterItsTime(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.source("shop", "dedupe: {ttl: 1h}")
	first := b.receive(b.signed("msg_1", order(1)))
	b.pass(59 * time.Minute)
	if again := b.receive(b.signed("msg_1", order(1))); !again.Repeated {
		t.Errorf("got %+v", again)
	}
	b.pass(2 * time.Minute)
	if later := b.receive(b.signed("msg_1", order(1))); later.Repeated || later.Executions[0] == first.Executions[0] {
		t.Errorf("got %+v", later)
	}
}

// A message from a clock that is ahead, sent again at the very end of the time in
// which its timestamp counts, and a millisecond later.
func TestAnEventIsKnownWhileItsTimeCounts(t *testing.T) {
	t.Parallel()
	for _, ttl := range []string{"1s", "10m"} {
		b := newBundle(t)
		b.source("shop", "dedupe: {ttl: "+ttl+"}")
		b.pass(5 * time.Minute)
		ahead := b.signed("msg_1", order(1))
		b.pass(-5 * time.Minute)
		first := b.receive(ahead)
		b.pass(10 * time.Minute)
		if again := b.receive(ahead); !again.Repeated || again.Executions[0] != first.Executions[0] {
			t.Errorf("ttl %s: got %+v, want %+v repeated", ttl, again, first)
		}
		b.pass(time.Millisecond)
		b.refused("too late", ahead)
	}
}

// The same event with another body: its sender must not be driven to give up,
// so it is answered, and counted.
func TestTheSameEventWithAnotherBody(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		first := b.receive(b.signed("msg_1", order(1)))
		for range 2 {
			if again := b.receive(b.signed("msg_1", order(2))); !again.Repeated || again.Executions[0] != first.Executions[0] {
				t.Errorf("got %+v", again)
			}
		}
		b.receive(b.signed("msg_1", order(1))) // no difference
		b.only(first.Executions[0])
		if got := b.input(first.Executions[0]); got != `{"id":"o1","n":1}` {
			t.Errorf("input is %s, want the first body", got)
		}
		if n := b.item(record.EventKey(tenant, "shop", "msg_1"))[record.AtDiffers].Int(); n < 2 || n > 2 && b.table.Table == b.inner {
			t.Errorf("%d differences are counted, want 2", n)
		}
		if log := b.log.String(); strings.Count(log, "with another body") != 2 || strings.Contains(log, "o2") {
			t.Errorf("the log has\n%s", log)
		}
	})
}

// TestRedeliveryFinishesWhatADeadStarterBegan: the process ends between IDEM and
// META, and between META and its message.
func TestRedeliveryFinishesWhatADeadStarterBegan(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"same body": order(1), "another body": order(2)} {
		t.Run("before META, "+name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.table.failing(func(w table.Write) error {
				if w.Key.SK == "0" && w.Set[record.AtStatus].Str() == string(record.Queued) {
					return errors.New("the process died here")
				}
				return nil
			})
			if got, err := b.Receive(t.Context(), b.signed("msg_1", order(1))); err == nil {
				t.Fatalf("acknowledged %+v", got)
			}
			if all := b.executions(); len(all) != 0 {
				t.Fatalf("executions are %v", all)
			}
			b.table.failing(nil)
			frozen := strings.Fields(b.item(record.EventKey(tenant, "shop", "msg_1"))["ls"].Str())
			b.pass(10 * time.Minute)
			got := b.receive(b.signed("msg_1", body))
			if !got.Repeated || got.Executions[0] != frozen[2] {
				t.Errorf("got %+v, want the execution %s", got, frozen[2])
			}
			b.only(frozen[2])
			if n := b.queue.count(); n != 1 {
				t.Errorf("%d messages, want 1", n)
			}
		})
	}
	t.Run("before the message", func(t *testing.T) {
		t.Parallel()
		b := newBundle(t)
		first := b.receive(b.signed("msg_1", order(1)))
		b.queue.mu.Lock()
		b.queue.sent = nil // it never arrived
		b.queue.mu.Unlock()
		b.pass(11 * time.Second)
		for range 3 {
			b.receive(b.signed("msg_1", order(1)))
		}
		b.only(first.Executions[0])
		if n := b.queue.count(); n != 1 {
			t.Errorf("%d messages, want 1 for all redeliveries", n)
		}
	})
}

func TestConcurrentDeliveriesStartOneExecution(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	d := b.signed("msg_1", order(1))
	const deliveries = 1000
	got := make([]webhook.Receipt, deliveries)
	errs := make([]error, deliveries)
	var wg sync.WaitGroup
	for i := range deliveries {
		wg.Go(func() { got[i], errs[i] = b.Receive(t.Context(), d) })
	}
	wg.Wait()
	fresh := 0
	for i := range got {
		if errs[i] != nil || got[i].Executions[0] != got[0].Executions[0] {
			t.Fatalf("delivery %d: %+v, %v", i, got[i], errs[i])
		}
		if !got[i].Repeated {
			fresh++
		}
	}
	b.only(got[0].Executions[0])
	if fresh != 1 || b.queue.count() != 1 {
		t.Errorf("%d first answers and %d messages, want one of each", fresh, b.queue.count())
	}
}

func TestWhatIsNotGenuineIsOneRefusal(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.source("unsigned", "verify: {secrets: [nowhere]}")
	b.source("odd", "verify: {secrets: [odd]}")
	b.secrets.set(map[string]string{"shop": key, "odd": "not a key of this scheme"}, nil)
	genuine := b.signed("msg_1", order(1))
	with := func(change func(d *webhook.Delivery)) webhook.Delivery {
		d := genuine
		d.Header, d.Body = maps.Clone(d.Header), bytes.Clone(d.Body)
		change(&d)
		return d
	}
	b.refused("an unknown source", with(func(d *webhook.Delivery) { d.Source = "nowhere" }))
	b.refused("an unknown tenant", with(func(d *webhook.Delivery) { d.Tenant = "nowhere" }))
	b.refused("a name that is none", with(func(d *webhook.Delivery) { d.Source = "a#b~c" }))
	b.refused("a tenant that is none", with(func(d *webhook.Delivery) { d.Tenant = "default#src" }))
	b.refused("a source without its secret", with(func(d *webhook.Delivery) { d.Source = "unsigned" }))
	b.refused("a source with an unusable secret", with(func(d *webhook.Delivery) { d.Source = "odd" }))
	b.refused("another body", with(func(d *webhook.Delivery) { d.Body[3] ^= 1 }))
	b.refused("no signature", with(func(d *webhook.Delivery) { delete(d.Header, "Webhook-Signature") }))
	b.refused("another secret", b.signedWith(strange, "msg_1", order(1)))
	// Who has read our code knows the decoy's secret.
	decoy := b.signedWith("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "msg_1", order(1))
	decoy.Source = "nowhere"
	b.refused("the decoy's secret", decoy)
	b.pass(6 * time.Minute)
	b.refused("an old signature", genuine)
	if all := b.executions(); len(all) != 0 {
		t.Errorf("executions are %v", all)
	}
	if log := b.log.String(); strings.Contains(log, "whsec_") || strings.Contains(log, "o1") || strings.Contains(log, "v1,") {
		t.Errorf("the log has\n%s", log)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.receive(b.signedWith(oldKey, "msg_1", order(1)))
	b.receive(b.signedWith(key, "msg_2", order(2)))
	b.secrets.set(map[string]string{"shop": key}, nil) // the old one is taken away
	b.receive(b.signedWith(key, "msg_3", order(3)))
	b.refused("the old secret", b.signedWith(oldKey, "msg_4", order(4)))
}

func TestTroubleIsNoRefusal(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.secrets.set(nil, errors.New("throttled"))
	_, err := b.Receive(t.Context(), b.signed("msg_1", order(1)))
	if problem.CodeOf(err) != problem.Unavailable || strings.Contains(err.Error(), "throttled") {
		t.Errorf("got %v", err)
	}
}

// While a secret of two cannot be read, the other one's events are taken, and a
// signature that may be by it is not refused.
func TestTroubleWithOneOfTwoSecrets(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	old := b.signedWith(oldKey, "msg_0", order(0))
	b.secrets.set(map[string]string{"shop-old": oldKey}, errors.New("throttled"))
	b.receive(b.signedWith(oldKey, "msg_1", order(1)))
	genuine := b.signed("msg_2", order(2))
	for what, d := range map[string]webhook.Delivery{"genuine": genuine, "by a stranger": b.signedWith(strange, "msg_3", order(3))} {
		if _, err := b.Receive(t.Context(), d); problem.CodeOf(err) != problem.Unavailable || strings.Contains(err.Error(), "throttled") {
			t.Errorf("%s: got %v, want that it cannot be verified", what, err)
		}
	}
	unsigned := b.signed("msg_4", order(4))
	delete(unsigned.Header, "Webhook-Signature")
	b.refused("no signature, whatever the secret", unsigned)
	b.secrets.set(map[string]string{"shop-old": oldKey}, nil)
	b.refused("by a secret that is missing", genuine)
	b.secrets.set(map[string]string{"shop": key, "shop-old": oldKey}, nil)
	if got := b.receive(genuine); got.Repeated {
		t.Errorf("sent again it is %+v: something was stored", got)
	}
	b.pass(6 * time.Minute)
	b.secrets.set(map[string]string{"shop-old": oldKey}, errors.New("throttled"))
	b.refused("an old signature by the secret that can be read", old)
}

func TestAChangedSourceCountsAtOnce(t *testing.T) {
	t.Parallel()
	onEveryTable(t, func(t *testing.T, b *bundle) {
		b.receive(b.signed("msg_1", order(1)))
		if err := b.reg.DeleteSource(t.Context(), tenant, "shop"); err != nil {
			t.Fatal(err)
		}
		b.refused("a source that was deleted", b.signed("msg_2", order(2)))
		b.source("shop", "verify: {secrets: [shop-old]}")
		b.refused("a secret that does not count any more", b.signed("msg_2", order(2)))
		b.receive(b.signedWith(oldKey, "msg_2", order(2)))
	})
}

func TestGenuineEventsThatCannotStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source, body string
		says         string
		faults       int
	}{
		"no such workflow":   {"start: {workflow: nowhere}", order(1), "the workflow that this source starts does not exist", 0},
		"no such version":    {"start: {workflow: order, version: 9}", order(1), "does not exist", 0},
		"the input's schema": {"start: {workflow: strict}", order(1), "the input does not fit", 1},
		"not JSON":           {"", "{", "not the JSON it says it is", 0},
		"an absent field":    {"start: {workflow: order, input: {a: \"{{ event.body.a.b.c }}\"}}", order(1), "start.input of the source", 0},
		"no key":             {"dedupe: {key: \"{{ event.body.nope }}\"}", order(1), "dedupe.key of the source", 0},
		"a key of a kind":    {"dedupe: {key: \"{{ event.body }}\"}", order(1), "dedupe.key of the source", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.workflow("strict", "input: {type: object, required: [order]}")
			b.source("shop", c.source)
			d := b.signed("msg_1", c.body)
			_, err := b.Receive(t.Context(), d)
			var p *problem.Error
			if !errors.As(err, &p) || p.Code != problem.Invalid || !strings.Contains(p.Detail, c.says) || len(p.Faults) != c.faults {
				t.Errorf("got %#v, want %q", err, c.says)
			}
			if all := b.executions(); len(all) != 0 {
				t.Errorf("executions are %v", all)
			}
			if _, err := b.Receive(t.Context(), d); problem.CodeOf(err) != problem.Invalid {
				t.Errorf("a second delivery gets %v: something was written", err)
			}
		})
	}
}

func TestWhatExpressionsRead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		contentType, body, want string
	}{
		"JSON":          {"application/json; charset=utf-8", `{"a": 1.50}`, `{"b":{"a":1.5},"i":"msg_1","s":"shop","x":"1, 2"}`},
		"JSON variant":  {"application/cloudevents+json", `[1]`, `{"b":[1],"i":"msg_1","s":"shop","x":"1, 2"}`},
		"no type":       {"", `"x"`, `{"b":"x","i":"msg_1","s":"shop","x":"1, 2"}`},
		"no type, text": {"", `a=1`, `{"b":"a=1","i":"msg_1","s":"shop","x":"1, 2"}`},
		"a form":        {"application/x-www-form-urlencoded", `a=1`, `{"b":"a=1","i":"msg_1","s":"shop","x":"1, 2"}`},
		"nothing":       {"application/json", ``, `{"b":null,"i":"msg_1","s":"shop","x":"1, 2"}`},
		"bytes":         {"image/png", "\xff\xfe", `{"b":{"base64":"//4=","contentType":"image/png"},"i":"msg_1","s":"shop","x":"1, 2"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.source("shop", `start: {workflow: order, input: {b: "{{ event.body }}", i: "{{ event.id }}", s: "{{ event.source }}", x: "{{ event.headers['x-n'] }}"}}`)
			d := b.signed("msg_1", c.body)
			d.Header["Content-Type"], d.Header["X-N"] = []string{c.contentType}, []string{"1", "2"}
			if c.contentType == "" {
				delete(d.Header, "Content-Type")
			}
			if got := b.input(b.receive(d).Executions[0]); got != c.want {
				t.Errorf("input is %s, want %s", got, c.want)
			}
		})
	}
}

func TestCredentialsAreNotReadable(t *testing.T) {
	t.Parallel()
	b := newBundle(t)
	b.source("shop", `start: {workflow: order, input: "{{ event.headers }}"}`)
	d := b.signed("msg_1", order(1))
	d.Header["Authorization"], d.Header["Cookie"] = []string{"Basic x"}, []string{"c=1"}
	if got := b.input(b.receive(d).Executions[0]); got != `{"content-type":"application/json","webhook-id":"msg_1","webhook-timestamp":"1772366400"}` {
		t.Errorf("input is %s", got)
	}
}

// Where the scheme has no id, the source's key names the event, and failing
// that the body does.
func TestEventsWithoutAnID(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dedupe string
		same   bool // two bodies that differ are one event
	}{
		"by the body":    {"", false},
		"by a key in it": {"dedupe: {key: \"{{ event.body.kind }}\"}", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBundle(t)
			b.secrets.set(map[string]string{"plain": "k"}, nil)
			b.source("shop", "verify: {scheme: hmac, header: X-Sig, secrets: [plain]}\n"+c.dedupe)
			send := func(body, mac string) webhook.Receipt {
				return b.receive(webhook.Delivery{Tenant: tenant, Source: "shop", Body: []byte(body), Header: map[string][]string{"X-Sig": {mac}}})
			}
			// printf '%s' body | openssl dgst -sha256 -hmac k
			first := send(`{"kind":"a","n":1}`, "34c5f88a918314ab86dc710afe12aa113a0a86eef17fd800af7634d6edd0c941")
			again := send(`{"kind":"a","n":1}`, "34c5f88a918314ab86dc710afe12aa113a0a86eef17fd800af7634d6edd0c941")
			second := send(`{"kind":"a","n":2}`, "5962589994a136926df86b46dd8ef4fcfbdd41cf09738bfcee5f773cf9479f76")
			if !again.Repeated || again.Event != first.Event || second.Repeated != c.same {
				t.Errorf("got %+v, %+v, %+v", first, again, second)
			}
		})
	}
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	if _, err := webhook.New(webhook.Config{}); err == nil {
		t.Error("an empty configuration is taken")
	}
}
