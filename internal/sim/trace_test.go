package sim

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// event is one line of the trace. It is put into words only when a promise is
// broken.
type event struct {
	at      time.Duration
	c       *call // whose it is, nil for the world's own
	proc    string
	inv     int
	op      string
	pk      string
	note    string
	message []byte
	write   *table.Write
	old     table.Attrs
	image   table.Attrs
}

// trace keeps the events of a world and a hash of all of them.
type trace struct {
	events []event
	count  int
	hash   uint64
}

// keepEvents bounds the memory of a long world.
const keepEvents = 20000

// add records an event. Callers hold the world's mu.
func (t *trace) add(w *world, e event) {
	e.at = w.since()
	if e.c != nil {
		e.proc, e.inv = e.c.p.name, e.c.inv.id
	}
	switch {
	case e.write != nil:
		e.pk = e.write.Key.PK
	case e.message != nil:
		if m, err := record.DecodeMessage(e.message); err == nil {
			e.pk = m.PK
		}
	}
	t.count++
	h := mixString(mixString(mix(t.hash, uint64(e.at)), e.proc), e.op)
	h = mixString(mix(h, uint64(e.inv)), e.note)
	if e.write != nil {
		h = mix(h, hashWrite(*e.write))
	}
	t.hash = mixString(h, string(e.message))
	if len(t.events) == keepEvents {
		t.events = append(t.events[:0], t.events[keepEvents/2:]...)
	}
	t.events = append(t.events, e)
}

// about is the last events that concern an execution, and what happened to the
// processes meanwhile.
func (t *trace) about(pk string, most int) string {
	var lines []string
	for i := len(t.events) - 1; i >= 0 && len(lines) < most; i-- {
		e := t.events[i]
		if pk == "" || e.pk == "" || strings.HasPrefix(e.pk, pk) {
			lines = append(lines, e.String())
		}
	}
	var b strings.Builder
	for i := len(lines) - 1; i >= 0; i-- {
		b.WriteString(lines[i])
		b.WriteByte('\n')
	}
	return b.String()
}

func (e event) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%12s %-8s #%-4d %s", e.at.Truncate(time.Microsecond), e.proc, e.inv, e.op)
	if e.write != nil {
		b.WriteString(" " + describe(*e.write))
		if e.op == "refused" {
			b.WriteString(" old " + attrs(e.old))
		}
	}
	if e.message != nil {
		b.WriteString(" " + strings.ReplaceAll(string(e.message), `"`, ""))
	}
	if e.note != "" {
		b.WriteString(" " + e.note)
	}
	return b.String()
}

// describe is a write in a few words.
func describe(wr table.Write) string {
	kind := map[table.WriteKind]string{table.Put: "put", table.Update: "update", table.Delete: "delete", table.Check: "check"}[wr.Kind]
	s := kind + " " + short(wr.Key.PK) + " " + wr.Key.SK + " " + attrs(wr.Set)
	for _, k := range slices.Sorted(maps.Keys(wr.Add)) {
		if n := wr.Add[k]; n != 0 && k != "wu" && k != "ru" {
			s += fmt.Sprintf(" %s+%d", k, n)
		}
	}
	if len(wr.Remove) > 0 {
		s += " -" + strings.Join(wr.Remove, ",")
	}
	return s
}

func short(pk string) string {
	if len(pk) > 12 {
		return "…" + pk[len(pk)-6:]
	}
	return pk
}

func attrs(a table.Attrs) string {
	if a == nil {
		return "(absent)"
	}
	names := make([]string, 0, len(a))
	for k := range a {
		switch k {
		case "fv", "wf", "xp", "hp", "in", "dl", "v", "wu", "ru", "qp":
		default:
			names = append(names, k)
		}
	}
	sort.Strings(names)
	for i, k := range names {
		switch v := a[k]; v.Kind() {
		case table.KindInt:
			n := fmt.Sprint(v.Int())
			if v.Int() > epochStart {
				n = time.Duration((v.Int() - epochStart) * 1e6).String()
			}
			names[i] = k + "=" + n
		case table.KindBytes:
			names[i] = fmt.Sprintf("%s=(%d)", k, len(v.Raw()))
		default:
			names[i] = k + "=" + v.Str()
		}
	}
	return "{" + strings.Join(names, " ") + "}"
}

// epochStart is the time at which every bubble's clock starts, in Unix ms.
const epochStart = 946684800000
