//go:build aws

package dynamodb

import (
	"fmt"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/standintest"
	"github.com/seed-926d1ba8/stepline/internal/table"
	"github.com/seed-926d1ba8/stepline/internal/table/tabletest"
)

// open is a fresh table on the clock of the test's bubble.
func open(t *testing.T) *Table {
	t.Helper()
	cfg := standintest.VirtualTables()
	return New(Config{Name: standintest.NewTable(t, cfg), AWS: cfg, Endpoint: standintest.Tables(t)})
}

// The suite runs as it stands, and every call in it must have had the units
// that the size rules compute.
func TestConformance(t *testing.T) {
	t.Parallel()
	tabletest.Run(t, tabletest.Reliable, func(t *testing.T) table.Table {
		tab := open(t)
		tab.onMismatch = func(m Mismatch) { t.Errorf("units differ: %+v", m) }
		return tab
	})
}

func TestConformanceBehindAdversary(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
			t.Parallel()
			tabletest.Run(t, tabletest.Unreliable, func(t *testing.T) table.Table {
				return tabletest.Adversary(open(t), seed)
			})
		})
	}
}
