package api

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
)

// finder gives up to limit of what a tenant has, in the order of the names and
// beginning after one, and whether there is more.
type finder[T any] func(ctx context.Context, tenant, after string, limit int) (found []T, more bool, err error)

// listNamed answers a page of what has a name.
func listNamed[T any, S interface{ name() string }](w http.ResponseWriter, r *http.Request, find finder[T], show func(T) S) error {
	q := r.URL.Query()
	limit, err := number(q, "limit", 100, 100)
	if err != nil {
		return err
	}
	after, err := nameCursor(q)
	if err != nil {
		return err
	}
	found, more, err := find(r.Context(), tenantOf(r), after, limit)
	if err != nil {
		return err
	}
	out := page[S]{Items: make([]S, 0, len(found))}
	for _, f := range found {
		out.Items = append(out.Items, show(f))
	}
	if more {
		out.Next = cursorAfter(out.Items[len(out.Items)-1].name())
	}
	return respond(w, http.StatusOK, out)
}

// cursorMark starts the cursor of a list by name: its format's version.
const cursorMark = "1:"

// nameCursor is the name that a page begins after, "" for the first one.
func nameCursor(q url.Values) (after string, err error) {
	if !q.Has("cursor") {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(q.Get("cursor"))
	name, ok := strings.CutPrefix(string(b), cursorMark)
	if err != nil || !ok || name == "" || len(name) > 256 {
		return "", badParameter("cursor", "must be the `next` of an earlier page, unchanged")
	}
	return name, nil
}

func cursorAfter(name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorMark + name))
}
