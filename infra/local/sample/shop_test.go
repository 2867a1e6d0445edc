package sample

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

func post(t *testing.T, shop *Shop, path, key string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader("{}"))
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	shop.Handler().ServeHTTP(w, r)
	b, _ := io.ReadAll(w.Body)
	return w.Code, strings.TrimSpace(string(b))
}

func TestShopTakesEachKeyOnce(t *testing.T) {
	t.Parallel()
	shop := &Shop{}
	for range 2 {
		if code, body := post(t, shop, "/stock", "ex_0123456789/stock"); code != http.StatusCreated || body != `{"id":"stock-456789"}` {
			t.Errorf("got %d %s", code, body)
		}
	}
	if shop.Effects() != 1 {
		t.Errorf("%d effects for one key, want 1", shop.Effects())
	}
	if code, _ := post(t, shop, "/stock", ""); code != http.StatusBadRequest {
		t.Errorf("without a key: %d, want 400", code)
	}
}

func TestShopRefusesPaymentsTwice(t *testing.T) {
	t.Parallel()
	shop := &Shop{}
	for _, want := range []int{503, 503, 201} {
		if code, body := post(t, shop, "/payments", "ex_1/payment"); code != want {
			t.Errorf("got %d %s, want %d", code, body, want)
		}
	}
}

func TestDocumentsAreValid(t *testing.T) {
	t.Parallel()
	documents, err := Documents()
	if err != nil {
		t.Fatal(err)
	}
	if documents[Demo] == nil {
		t.Errorf("no document %s", Demo)
	}
	for name, src := range documents {
		doc, err := workflow.Parse(src)
		if err != nil || doc.Name != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}
