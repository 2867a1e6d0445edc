package sqlite

import (
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	tabletest.Run(t, tabletest.Reliable, func(t *testing.T) table.Table { return open(t, sqlitefile.Options{}) })
}

func open(t testing.TB, o sqlitefile.Options) *Table {
	t.Helper()
	f, err := sqlitefile.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	tab, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}
