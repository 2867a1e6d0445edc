package functions_test

import (
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
)

// A provider that delivers one signed event a thousand times at once starts one
// execution: one answer is 202, the others are 200 with the same id.
func TestAThousandDeliveriesThroughTheFunction(t *testing.T) {
	t.Parallel()
	const deliveries = 1000
	services := embedded(t, &notes{})
	answers := make([]struct {
		StatusCode int
		Body       string
	}, deliveries)
	admin := handler(t, services, "admin", slog.New(slog.DiscardHandler))
	for _, name := range []string{"admin/put-workflow", "admin/put-source"} {
		if err := json.Unmarshal(invoke(t, admin, sample(t, name)), &answers[0]); err != nil || answers[0].StatusCode != 201 {
			t.Fatalf("%s: %+v, %v", name, answers[0], err)
		}
	}
	webhook, event := handler(t, services, "webhook", slog.New(slog.DiscardHandler)), sample(t, "webhook/event")
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			if err := json.Unmarshal(invoke(t, webhook, event), &answers[i]); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	statuses, bodies := map[int]int{}, map[string]bool{}
	for _, a := range answers {
		statuses[a.StatusCode]++
		bodies[a.Body] = true
	}
	if statuses[202] != 1 || statuses[200] != deliveries-1 || len(bodies) != 1 {
		t.Errorf("answers %v with the bodies %v, want one 202, the rest 200, with one id", statuses, bodies)
	}
	t.Logf("answers %v, of one execution", statuses)
}
