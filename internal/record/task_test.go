package record_test

import (
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// What is put is what is read, and stands in the due index.
func TestTaskRoundTrip(t *testing.T) {
	t.Parallel()
	a := record.NewTask(someID, "token", 5*time.Minute, 1000, 2000, 3)
	got, err := record.DecodeTask(a)
	if err != nil || *got != (record.Task{Token: "token", Beat: 5 * time.Minute, DueAt: 1000, Until: 2000}) {
		t.Errorf("%+v, %v", got, err)
	}
	if e := table.DueEntry(a); e == nil || e[table.DuePK].Str() != record.DuePK(someID) || a[table.ExpiryAttr].Int() != 3 {
		t.Errorf("the due index has %v; %v", e, a)
	}
	a["fv"] = table.Int(record.FV + 1)
	if _, err := record.DecodeTask(a); err == nil {
		t.Error("a newer format is read")
	}
}
