package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/seed-926d1ba8/stepline/internal/queue"
)

// TestEachIsReportedAsItEnds: the quick ones of a batch do not wait for the slow
// one, whether they succeed, fail or panic, and the answer says the same.
func TestEachIsReportedAsItEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &Runner{log: slog.New(slog.DiscardHandler)}
		reports := make(chan string, 10)
		var ds []queue.Delivery
		for _, id := range []string{"slow", "good", "bad", "panics"} {
			ds = append(ds, queue.Delivery{ID: id, Done: func(ok bool) { reports <- fmt.Sprint(id, " ", ok) }})
		}
		slow := make(chan struct{})
		answer := make(chan []string, 1)
		go func() {
			answer <- r.each(t.Context(), ds, func(_ context.Context, d queue.Delivery) error {
				switch d.ID {
				case "slow":
					<-slow
				case "bad":
					return errors.New("bad")
				case "panics":
					panic("boom")
				}
				return nil
			})
		}()
		synctest.Wait()
		var early []string
		for len(reports) > 0 {
			early = append(early, <-reports)
		}
		slices.Sort(early)
		if want := "[bad false good true panics false]"; fmt.Sprint(early) != want {
			t.Errorf("reported %v while one is at work, want %s", early, want)
		}
		close(slow)
		if failed := <-answer; fmt.Sprint(failed) != "[bad panics]" || len(reports) != 1 {
			t.Errorf("failed %v, want [bad panics]; %d reports at the slow one's end, want 1", failed, len(reports))
		}
	})
}

// TestEachWithoutReports is a batch on Lambda: it is answered as a whole.
func TestEachWithoutReports(t *testing.T) {
	t.Parallel()
	r := &Runner{log: slog.New(slog.DiscardHandler)}
	failed := r.each(t.Context(), []queue.Delivery{{ID: "good"}, {ID: "bad"}}, func(_ context.Context, d queue.Delivery) error {
		if d.ID == "bad" {
			return context.DeadlineExceeded
		}
		return nil
	})
	if fmt.Sprint(failed) != "[bad]" {
		t.Errorf("failed %v, want [bad]", failed)
	}
}
