package history_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/sqlite"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

const tenant = "acme"

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// shelf is a table with METAs and a Reader on it.
type shelf struct {
	t     *testing.T
	table *stingy
	rnd   *rand.Rand
	late  atomic.Int64 // how far the adversary's clock is ahead of noon
	*history.Reader
}

func newShelf(t *testing.T, seed uint64) *shelf {
	t.Helper()
	file, err := sqlitefile.Open(t.TempDir(), sqlitefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	inner, err := sqlite.New(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{t: t, table: &stingy{Table: inner}, rnd: rand.New(rand.NewPCG(seed, 1))}
	s.Reader = &history.Reader{Table: s.table, Now: func() time.Time { return noon }}
	return s
}

// behind puts the shelf behind the adversary of a seed, 0 for none.
func (s *shelf) behind(seed uint64) *shelf {
	if seed > 0 {
		clock := func() time.Time { return noon.Add(time.Duration(s.late.Load())) }
		s.table.Table = tabletest.Adversary(s.table.Table, seed, tabletest.WithClock(clock))
	}
	return s
}

// settle lets so much time pass that the adversary shows everything.
func (s *shelf) settle() { s.late.Add(int64(tabletest.MaxLag)) }

// stingy is a table that answers small pages, and every second one empty.
type stingy struct {
	table.Table
	on      bool
	queries atomic.Int64
	entries atomic.Int64
}

func (s *stingy) Query(ctx context.Context, q table.Query) (table.Page, error) {
	n := s.queries.Add(1)
	if s.on {
		rest, wasEmpty := strings.CutPrefix(string(q.After), "empty:")
		q.After = table.Cursor(rest)
		if !wasEmpty && n%2 == 0 {
			return table.Page{Next: "empty:" + q.After}, nil
		}
		q.Limit = 3
	}
	page, err := s.Table.Query(ctx, q)
	s.entries.Add(int64(len(page.Items)))
	return page, err
}

func (s *shelf) id(at time.Time) string {
	var e [10]byte
	for i := range e {
		e[i] = byte(s.rnd.Uint32())
	}
	return record.NewID(at, e)
}

func (s *shelf) add(ms ...meta) {
	s.t.Helper()
	for _, m := range ms {
		s.write(m.write())
	}
}

// write makes a write until it is certain that it has been applied.
func (s *shelf) write(w table.Write) {
	s.t.Helper()
	for {
		_, err := s.table.Write(s.t.Context(), w)
		if _, there := table.Failed(err); err == nil || there {
			return
		}
		if !errors.Is(err, table.ErrBusy) && !errors.Is(err, table.ErrUnknown) {
			s.t.Fatal(err)
		}
	}
}

// meta is what a test says of an execution.
type meta struct {
	id, workflow string
	version      int
	status       record.Status
	created      time.Time
	shard        int
	expired      bool
	due          bool // stands in the due index
	hidden       bool // not in the history index
}

func (m meta) write() table.Write {
	a := table.Attrs{
		"fv": table.Int(record.FV), table.HistWork: table.String(m.workflow), record.AtVersion: table.Int(int64(m.version)),
		record.AtStatus: table.String(string(m.status)), record.AtPriority: table.String("normal"),
		record.AtDeadline: table.Int(m.created.Add(time.Hour).UnixMilli()),
		table.ExpiryAttr:  table.Int(noon.Add(time.Hour).Unix()),
	}
	if !m.hidden {
		a[table.HistPK] = table.String(record.HistShard(tenant, m.shard))
	}
	if m.expired {
		a[table.ExpiryAttr] = table.Int(noon.Unix())
	}
	if m.due {
		a[table.DuePK], a[table.DueSK] = table.String(record.DuePK(m.id)), table.Int(noon.UnixMilli())
	}
	return table.Write{Key: record.MetaKey(tenant, m.id), Kind: table.Put, Set: a, If: table.IfAbsent()}
}

func (s *shelf) shards(n int64) {
	s.t.Helper()
	s.write(table.Write{
		Key: table.Key{PK: record.TenantsPK, SK: tenant}, Kind: table.Put,
		Set: table.Attrs{"fv": table.Int(record.FV), "shards": table.Int(n)}, If: table.Always(),
	})
}

// walk follows the cursors to the last page.
func (s *shelf) walk(f history.Filter) (ids []string, pages int) {
	s.t.Helper()
	for f.Cursor = ""; ; pages++ {
		page, err := s.List(s.t.Context(), tenant, f)
		if err != nil {
			s.t.Fatalf("List %+v: %v", f, err)
		}
		if f.Limit > 0 && len(page.Items) > f.Limit {
			s.t.Fatalf("a page of %d, the limit is %d", len(page.Items), f.Limit)
		}
		for _, x := range page.Items {
			ids = append(ids, x.ID)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return ids, pages + 1
		}
	}
}

// addMany writes ended executions, many at once.
func (s *shelf) addMany(n int, workflow string) {
	s.t.Helper()
	ws := make([]table.Write, n)
	for i := range ws {
		ws[i] = meta{
			id: s.id(noon.Add(-time.Duration(i) * time.Millisecond)), workflow: workflow, version: 1,
			status: record.Succeeded, created: noon,
		}.write()
	}
	for some := range slices.Chunk(ws, table.MaxTransact) {
		if err := s.table.Transact(s.t.Context(), "", some); err != nil {
			s.t.Fatal(err)
		}
	}
}
