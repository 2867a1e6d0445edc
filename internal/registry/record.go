package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Attributes of the head, of a version and of a tenant.
const (
	atFormat  = "fv"
	atLive    = "live"
	atLatest  = "latest"
	atHidden  = "hidden"  // 1 after a delete
	atUpdated = "updated" // Unix ms
	atDoc     = "doc"     // the source, packed
	atCreated = "created" // Unix ms
	atSHA     = "sha256"  // of the source
	atShards  = "shards"
)

// maxVersion is the highest number whose sort key still sorts.
const maxVersion = 999_999

// maxName bounds a name that is looked up; the document's own rule is stricter.
const maxName = 256

// head is the state of a name. The zero head stands for a name that was never
// put.
type head struct {
	live, latest int64
	hidden       bool
	updated      int64
}

func headKey(tenant, name string) table.Key { return table.Key{PK: tenant + "#w", SK: name} }

func versionsPK(tenant, name string) string { return tenant + "#w#" + name }

func versionKey(tenant, name string, v int) table.Key {
	return table.Key{PK: versionsPK(tenant, name), SK: fmt.Sprintf("v%06d", v)}
}

// possible reports whether a name could exist at all, so that what callers send
// never becomes a foreign key.
func possible(name string) bool {
	return name != "" && len(name) <= maxName && utf8.ValidString(name) && !strings.ContainsAny(name, "#~\x00")
}

func quote(name string) string {
	if len(name) > maxName {
		name = name[:maxName]
	}
	return strconv.Quote(name)
}

func (h head) attrs() table.Attrs {
	hidden := int64(0)
	if h.hidden {
		hidden = 1
	}
	return table.Attrs{
		atFormat: table.Int(record.FV), atLive: table.Int(h.live), atLatest: table.Int(h.latest),
		atHidden: table.Int(hidden), atUpdated: table.Int(h.updated),
	}
}

// seen is the condition that the head still stands as it was read.
func (h head) seen() table.Cond {
	if h.latest == 0 {
		return table.IfAbsent()
	}
	want := h.attrs()
	return table.All(
		table.Test{Attr: atLive, Op: table.Eq, Value: want[atLive]},
		table.Test{Attr: atLatest, Op: table.Eq, Value: want[atLatest]},
		table.Test{Attr: atHidden, Op: table.Eq, Value: want[atHidden]},
	)
}

func (h head) visible() bool { return h.latest > 0 && !h.hidden }

func (h head) workflow(name string) Workflow {
	return Workflow{Name: name, Live: int(h.live), Latest: int(h.latest), Updated: time.UnixMilli(h.updated).UTC()}
}

func decodeHead(a table.Attrs) (head, error) {
	if err := readable("workflow", a); err != nil {
		return head{}, err
	}
	return head{
		live: a[atLive].Int(), latest: a[atLatest].Int(),
		hidden: a[atHidden].Int() != 0, updated: a[atUpdated].Int(),
	}, nil
}

func versionAttrs(source []byte, sha string, created time.Time) table.Attrs {
	return table.Attrs{
		atFormat: table.Int(record.FV), atDoc: table.Bytes(record.Pack(source)),
		atSHA: table.String(sha), atCreated: table.Int(created.UnixMilli()),
	}
}

// decodeVersion reads a version item, without its source.
func decodeVersion(it table.Item) (Version, error) {
	if err := readable("workflow version", it.Attrs); err != nil {
		return Version{}, err
	}
	n, err := strconv.Atoi(strings.TrimPrefix(it.SK, "v"))
	if err != nil {
		return Version{}, fmt.Errorf("registry: %s holds no version: sort key %q", it.PK, it.SK)
	}
	return Version{
		Version: n, SHA256: it.Attrs[atSHA].Str(),
		Created: time.UnixMilli(it.Attrs[atCreated].Int()).UTC(),
	}, nil
}

func readable(what string, a table.Attrs) error {
	if fv := a[atFormat].Int(); fv > record.FV {
		return fmt.Errorf("registry: %s has format version %d, this binary reads up to %d", what, fv, record.FV)
	}
	return nil
}

func hash(source []byte) string {
	sum := sha256.Sum256(source)
	return hex.EncodeToString(sum[:])
}
