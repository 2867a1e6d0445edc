package runner

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestQuarantine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var q quarantine
		enters := func(deaths int64, want bool) (leave func()) {
			t.Helper()
			leave, free := q.enter(deaths)
			if free != want {
				t.Fatalf("after %d deaths: free %v, want %v", deaths, free, want)
			}
			return leave
		}
		enters(0, true)
		first := enters(2, true)
		enters(2, false)
		enters(1, true) // is no suspect
		first()
		second := enters(3, true)
		first() // once more: it is no longer its place
		enters(2, false)
		time.Sleep(14 * time.Second) // of the bubble, as below
		enters(4, false)
		time.Sleep(2 * time.Second) // of the bubble too, as the next
		third := enters(4, true)    // the second one has lived long enough
		second()
		enters(2, false)
		time.Sleep(74 * time.Second)
		enters(2, false)
		third()
		enters(2, true)()
	})
}
