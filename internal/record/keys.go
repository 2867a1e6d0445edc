package record

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// IDPrefix starts every execution id; a ULID follows, whose time is the
// execution's creation.
const IDPrefix = "ex_"

// Shards of the due index, of the dead letters, and of a tenant's history.
const (
	DueShards  = 16
	DeadShards = 8
	HistShards = 1
)

// NewID makes an execution id from its creation time and ten random bytes.
func NewID(created time.Time, entropy [10]byte) string {
	var u ulid.ULID
	_ = u.SetTime(ulid.Timestamp(created)) // fails only after the year 10889
	_ = u.SetEntropy(entropy[:])           // fails only for another length
	return IDPrefix + u.String()
}

// CreatedAt is the creation time in an execution id.
func CreatedAt(id string) (time.Time, error) {
	if !strings.HasPrefix(id, IDPrefix) {
		return time.Time{}, fmt.Errorf("execution id must start with %q", IDPrefix)
	}
	u, err := ulid.ParseStrict(id[len(IDPrefix):])
	if err != nil {
		return time.Time{}, fmt.Errorf("execution id must be %q and a ULID", IDPrefix)
	}
	return ulid.Time(u.Time()).UTC(), nil
}

// FirstID and LastID bound the ids of executions created in one millisecond.
func FirstID(at time.Time) string { return NewID(at, [10]byte{}) }

// LastID is the largest id of the millisecond of at.
func LastID(at time.Time) string {
	var e [10]byte
	for i := range e {
		e[i] = 0xff
	}
	return NewID(at, e)
}

// PK is the partition of an execution.
func PK(tenant, id string) string { return tenant + "#" + id }

// SplitPK is the reverse of PK.
func SplitPK(pk string) (tenant, id string, ok bool) {
	tenant, id, ok = strings.Cut(pk, "#")
	return tenant, id, ok && tenant != "" && strings.HasPrefix(id, IDPrefix)
}

// MetaKey names an execution's META.
func MetaKey(tenant, id string) table.Key { return table.Key{PK: PK(tenant, id), SK: "0"} }

// InputSK is the sort key of an INPUT: the one an execution was started with,
// or the edited one of a later run, which carries its content's hash so that
// two retries at once never read each other's.
func InputSK(run int, sha string) string {
	if run <= 1 {
		return "1"
	}
	return "1#" + strconv.Itoa(run) + "#" + sha
}

// StepPrefix starts the sort keys of a run's STEPs.
func StepPrefix(run int) string { return "s#" + strconv.Itoa(run) + "#" }

// StepKey names the STEP of a step in a run.
func StepKey(pk string, run int, step string) table.Key {
	return table.Key{PK: pk, SK: StepPrefix(run) + step}
}

// SignalKey names the SIGNAL of a step in a run.
func SignalKey(pk string, run int, step string) table.Key {
	return table.Key{PK: pk, SK: "g#" + strconv.Itoa(run) + "#" + step}
}

// OutputKey names the OUTPUT of a run.
func OutputKey(pk string, run int) table.Key {
	return table.Key{PK: pk, SK: "o#" + strconv.Itoa(run)}
}

// RunKey names the summary of a closed run.
func RunKey(pk string, run int) table.Key {
	return table.Key{PK: pk, SK: "r#" + strconv.Itoa(run)}
}

// ChunkKey names part n of the value with this hash.
func ChunkKey(pk, sha string, n int) table.Key {
	return table.Key{PK: pk, SK: "c#" + sha + "#" + strconv.Itoa(n)}
}

// IdemKey names the IDEM of an API caller's key.
func IdemKey(tenant, key string) table.Key { return idemKey(tenant, "api", key) }

// EventKey names the IDEM of a source's event.
func EventKey(tenant, source, id string) table.Key { return idemKey(tenant, "src", source, id) }

func idemKey(tenant string, parts ...string) table.Key {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return table.Key{PK: tenant + "#k#" + hex.EncodeToString(sum[:]), SK: "0"}
}

// HistPK is the history partition of an execution.
func HistPK(tenant, id string) string {
	return tenant + "#h#" + strconv.FormatUint(uint64(shard(id, HistShards)), 10)
}

// HistShard is the n-th history partition of a tenant.
func HistShard(tenant string, n int) string { return tenant + "#h#" + strconv.Itoa(n) }

// DuePK is the due partition of an execution.
func DuePK(id string) string { return DueShard(int(shard(id, DueShards))) }

// DueShard is the n-th due partition.
func DueShard(n int) string { return fmt.Sprintf("~due#%02d", n) }

// DeadPK is the dead-letter partition of an execution.
func DeadPK(tenant, id string) string { return DeadShard(tenant, int(shard(id, DeadShards))) }

// DeadShard is the n-th dead-letter partition of a tenant.
func DeadShard(tenant string, n int) string { return tenant + "#dead#" + strconv.Itoa(n) }

// TenantsPK is the partition that lists the tenants, by sort key.
const TenantsPK = "~tenants"

func shard(id string, of uint32) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	return h.Sum32() % of
}
