package runner_test

import (
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// What nobody can read becomes a dead letter, also where it is as large as SQS
// allows and so larger than an item.
func TestUnreadableMessagesAreKept(t *testing.T) {
	inWorld(t, func(t *testing.T, w *world) {
		const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"
		rnd := rand.New(rand.NewPCG(1, 2))
		noise := make([]byte, 1<<20) // no compression makes an item of it
		for i := range noise {
			noise[i] = letters[rnd.IntN(len(letters))]
		}
		bodies := map[string]string{
			"empty object": "{}", "not JSON": "hello", "newer": `{"v":99,"x":"default#ex_1"}`, "large": string(noise),
			"no key of the table's": `{"v":1,"x":"` + strings.Repeat("t", 1<<15) + `#ex_1"}`,
		}
		p := w.process("deadletter")
		for id, body := range bodies {
			for range 2 { // delivered twice, kept once
				if failed := p.runner.DeadLetter(t.Context(), []queue.Delivery{{ID: id, Body: []byte(body), Lane: queue.Dead}}); failed != nil {
					t.Errorf("%s: comes back", id)
				}
			}
			if got := w.letter(id); got != body {
				t.Errorf("%s: kept %d bytes %.40q, want %d", id, len(got), got, len(body))
			}
		}
	})
}

// letter is the body of a message that was kept as unreadable.
func (w *world) letter(id string) string {
	w.t.Helper()
	pk := tenant + "#m#" + hex.EncodeToString([]byte(id))
	item := w.item(table.Key{PK: pk, SK: "0"})
	if item[table.DuePK].Str() != record.DeadPK(tenant, id) {
		w.t.Errorf("%s is in no list of dead letters: %v", id, item[table.DuePK])
	}
	packed := item["b"].Bytes()
	if c, chunked := record.Reference(packed); chunked {
		packed = nil
		for i := range c.Parts {
			packed = append(packed, w.item(record.ChunkKey(pk, c.SHA, i))["b"].Raw()...)
		}
	}
	body, err := record.Unpack(packed)
	if err != nil {
		w.t.Error(id, err)
	}
	return string(body)
}
