package history_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

func TestBadCursors(t *testing.T) {
	t.Parallel()
	s := newShelf(t, 1)
	for i := range 3 {
		at := noon.Add(time.Duration(i) * time.Second)
		s.add(meta{id: s.id(at), workflow: "a", version: 1, status: record.Succeeded, created: at})
	}
	page, err := s.List(t.Context(), tenant, history.Filter{Limit: 1, Workflow: "a"})
	if err != nil || page.Next == "" {
		t.Fatalf("List = %+v, %v", page, err)
	}
	flipped := []byte(page.Next)
	flipped[12] ^= 1
	for name, f := range map[string]history.Filter{
		"garbage":        {Workflow: "a", Cursor: "garbage"},
		"not base64":     {Workflow: "a", Cursor: "%%%"},
		"shortened":      {Workflow: "a", Cursor: page.Next[:len(page.Next)-2]},
		"one bit":        {Workflow: "a", Cursor: string(flipped)},
		"other workflow": {Workflow: "b", Cursor: page.Next},
		"other status":   {Workflow: "a", Status: record.Failed, Cursor: page.Next},
		"other times":    {Workflow: "a", From: noon, Cursor: page.Next},
	} {
		_, err := s.List(t.Context(), tenant, f)
		if problem.CodeOf(err) != problem.BadRequest || !strings.Contains(err.Error(), "cursor") {
			t.Errorf("%s: error %v, want a bad request that names the cursor", name, err)
		}
	}
	if _, err := s.List(t.Context(), tenant, history.Filter{Limit: 50, Workflow: "a", Cursor: page.Next}); err != nil {
		t.Errorf("another limit with the same cursor: %v, want none", err)
	}
}

func FuzzCursor(f *testing.F) {
	s := &history.Reader{Table: nothing{}, Now: func() time.Time { return noon }}
	for _, c := range []string{"", "x", "AQ", strings.Repeat("A", 39)} {
		f.Add(c, "a")
	}
	f.Fuzz(func(t *testing.T, cursor, workflow string) {
		_, err := s.List(t.Context(), tenant, history.Filter{Workflow: workflow, Cursor: cursor})
		if err != nil && problem.CodeOf(err) != problem.BadRequest {
			t.Fatalf("cursor %q: %v, want a bad request or none", cursor, err)
		}
	})
}

// nothing is an empty table.
type nothing struct{ table.Table }

func (nothing) Get(context.Context, []table.Key, bool) ([]table.Item, error) { return nil, nil }

func (nothing) Query(context.Context, table.Query) (table.Page, error) { return table.Page{}, nil }
