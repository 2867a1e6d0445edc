package sqlite

import (
	"container/list"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

const (
	// cacheBytes bounds the decoded items kept, by their size as stored.
	cacheBytes = 48 << 20
	// cacheItem is the largest item kept: chunks are written once.
	cacheItem = 16 << 10
	// cacheExtra is what a decoded item takes beyond its bytes, roughly.
	cacheExtra = 1 << 10
)

// row is an item as the writer knows it.
type row struct {
	key   table.Key
	id    int64
	attrs table.Attrs // never changed in place: images handed out share it
	size  int
}

// cache keeps the most recently written rows.
type cache struct {
	byKey  map[table.Key]*list.Element
	recent *list.List // of *row, the latest first
	bytes  int
}

func (c *cache) drop() {
	c.byKey, c.recent, c.bytes = map[table.Key]*list.Element{}, list.New(), 0
}

func (c *cache) get(k table.Key) *row {
	e := c.byKey[k]
	if e == nil {
		return nil
	}
	c.recent.MoveToFront(e)
	return e.Value.(*row)
}

func (c *cache) put(r *row) {
	c.remove(r.key)
	if r.size > cacheItem {
		return
	}
	c.byKey[r.key] = c.recent.PushFront(r)
	for c.bytes += r.size + cacheExtra; c.bytes > cacheBytes; {
		c.remove(c.recent.Back().Value.(*row).key)
	}
}

func (c *cache) remove(k table.Key) {
	if e := c.byKey[k]; e != nil {
		delete(c.byKey, k)
		c.recent.Remove(e)
		c.bytes -= e.Value.(*row).size + cacheExtra
	}
}
