package record_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

var someID = record.NewID(noon, [10]byte{1})

// Every attribute lands in the field it stands for: no field is left at its
// zero value.
func TestMetaTellsEverythingStored(t *testing.T) {
	t.Parallel()
	n := int64(100)
	number := func() table.Value { n++; return table.Int(n) }
	a := table.Attrs{
		"fv": table.Int(record.FV), table.HistWork: table.String("order"), record.AtStatus: table.String("waiting"),
		record.AtPriority: table.String("high"), record.AtTags: table.String(`{"a":"b"}`), record.AtMessage: table.String("m"),
		record.AtOwner: table.String("o"), record.AtLast: table.Bytes([]byte("l")), table.DuePK: table.String("q"),
		record.AtRetry: table.String("r"), record.AtInput: table.Bytes([]byte("i")), record.AtInputItem: table.String("1"),
		record.AtOutput: table.Bytes([]byte("o")), record.AtError: record.EncodeError(&record.Error{Category: "auth", Step: "a"}, record.MaxError),
		record.AtMark + "pay": table.String("1"), record.AtMark + "a.b": table.String("again:3"),
	}
	for _, name := range []string{
		record.AtVersion, record.AtRun, record.AtEpoch, record.AtLease, record.AtLeased, record.AtNotBefore, record.AtNextDue, record.AtSignals,
		record.AtCancel, record.AtPause, record.AtTakeover, record.AtCrashes, record.AtOutcomes, record.AtReturns, record.AtResends, record.AtDeadline,
		table.ExpiryAttr, table.DueSK, record.AtSpan, record.AtOutputItem, record.AtTask, record.AtWriteUnits, record.AtReadUnits, record.AtStarted, record.AtEnded,
	} {
		a[name] = number()
	}
	m, err := record.DecodeMeta(table.Item{Key: record.MetaKey("acme", someID), Attrs: a})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int64]string{}
	for v, i := reflect.ValueOf(*m), 0; i < v.NumField(); i++ {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() {
			t.Errorf("%s is not told", name)
		}
		if f := v.Field(i); f.CanInt() {
			if other, twice := seen[f.Int()]; twice {
				t.Errorf("%s and %s come from the same attribute", name, other)
			}
			seen[f.Int()] = name
		}
	}
	if m.Marks["pay"] != "1" || m.Marks["a.b"] != "again:3" || m.Tags["a"] != "b" || m.Error.Step != "a" || !m.Created.Equal(noon) || m.PK != record.PK("acme", someID) {
		t.Errorf("decoded as %+v", m)
	}
	if image, err := record.DecodeImage(m.PK, a); err != nil || !reflect.DeepEqual(image, m) {
		t.Errorf("as an image it is %+v, %v", image, err)
	}
}

func TestWhatIsUsualIsNotStored(t *testing.T) {
	t.Parallel()
	m, err := record.DecodeImage(record.PK("acme", someID), table.Attrs{})
	if err != nil || m.Run != 1 || m.Priority != "normal" || m.Error != nil || m.Marks != nil {
		t.Errorf("an empty META is %+v, %v", m, err)
	}
}

// What a later binary has written is not read as something else.
func TestNewerFormatsAreRefused(t *testing.T) {
	t.Parallel()
	newer := table.Attrs{"fv": table.Int(record.FV + 1)}
	_, meta := record.DecodeImage(record.PK("acme", someID), newer)
	_, _, step := record.DecodeStep(table.Item{Key: record.StepKey("acme#ex_1", 1, "a"), Attrs: newer}, record.StepPrefix(1))
	for what, err := range map[string]error{"META": meta, "STEP": step} {
		if err == nil || !strings.Contains(err.Error(), "format version 2, this binary reads up to 1") {
			t.Errorf("%s: %v, want an error that names both format versions", what, err)
		}
	}
	if _, err := record.DecodeImage("acme#k#1", table.Attrs{}); err == nil {
		t.Error("the META of something else is read")
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	at := func(d time.Duration) table.Attrs { return table.Attrs{table.ExpiryAttr: table.Int(noon.Add(d).Unix())} }
	for name, c := range map[string]struct {
		attrs table.Attrs
		want  bool
	}{
		"none": {nil, false}, "in a second": {at(time.Second), false}, "now": {at(0), true}, "past": {at(-time.Hour), true},
	} {
		if got := record.Expired(c.attrs, noon.Add(300*time.Millisecond)); got != c.want {
			t.Errorf("%s: expired %t, want %t", name, got, c.want)
		}
	}
}

func TestStatuses(t *testing.T) {
	t.Parallel()
	open := 0
	for _, s := range record.Statuses {
		if !s.Terminal() {
			open++
		}
	}
	if open != 4 || !record.Statuses[4].Terminal() || record.Statuses[3].Terminal() {
		t.Errorf("%d open statuses, in the order %v", open, record.Statuses)
	}
	for s, want := range map[record.StepStatus]bool{
		record.StepPending: false, record.StepRunning: false, record.StepWaiting: false, record.StepSucceeded: true,
		record.StepFailed: true, record.StepSkipped: true, record.StepCancelled: true,
	} {
		if s.Terminal() != want {
			t.Errorf("%s terminal: %t, want %t", s, s.Terminal(), want)
		}
	}
}
