package record_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/record"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// An id tells its creation to the millisecond, and ids sort as they were made:
// the history index relies on it.
func TestIDsTellAndSortByTheirCreation(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 1))
	entropy := func() (e [10]byte) {
		for i := range e {
			e[i] = byte(rnd.Uint32())
		}
		return e
	}
	var ids []string
	for i := range 500 {
		at := noon.Add(time.Duration(i) * time.Millisecond)
		id := record.NewID(at, entropy())
		if got, err := record.CreatedAt(id); err != nil || !got.Equal(at) {
			t.Fatalf("CreatedAt(%s) = %v, %v; want %v", id, got, err, at)
		}
		if id < record.FirstID(at) || id > record.LastID(at) {
			t.Fatalf("%s is not between %s and %s", id, record.FirstID(at), record.LastID(at))
		}
		ids = append(ids, id)
	}
	if !slices.IsSorted(ids) {
		t.Error("ids of later milliseconds sort before earlier ones")
	}
}

func TestWhatIsNoID(t *testing.T) {
	t.Parallel()
	good := record.NewID(noon, [10]byte{1})
	for _, id := range []string{"", "ex_", good[3:], "xx_" + good[3:], good + "0", good[:len(good)-1], "ex_" + "U" + good[4:], "ex_" + "8" + good[4:]} {
		if at, err := record.CreatedAt(id); err == nil {
			t.Errorf("CreatedAt(%q) = %v, want an error", id, at)
		}
	}
}

func TestKeysOfAnExecutionShareItsPartition(t *testing.T) {
	t.Parallel()
	pk := record.PK("acme", "ex_1")
	if tenant, id, ok := record.SplitPK(pk); tenant != "acme" || id != "ex_1" || !ok {
		t.Errorf("SplitPK(%q) = %q, %q, %t", pk, tenant, id, ok)
	}
	for _, bad := range []string{"", "acme", "#ex_1", "acme#k#1", "~due#01"} {
		if _, _, ok := record.SplitPK(bad); ok {
			t.Errorf("SplitPK(%q) says it is an execution's", bad)
		}
	}
	seen := map[string]string{}
	for what, sk := range map[string]string{
		"META": record.MetaKey("acme", "ex_1").SK, "INPUT": record.InputSK(1, ""), "edited INPUT": record.InputSK(2, "ab"),
		"another edit": record.InputSK(2, "ac"), "STEP": record.StepKey(pk, 1, "a").SK, "STEP of run 2": record.StepKey(pk, 2, "a").SK,
		"STEP of run 11": record.StepKey(pk, 11, "a").SK, "SIGNAL": record.SignalKey(pk, 1, "a").SK, "OUTPUT": record.OutputKey(pk, 1).SK,
		"RUN": record.RunKey(pk, 1).SK, "CHUNK": record.ChunkKey(pk, "ab", 0).SK,
		"TASK": record.TaskKey(pk).SK,
	} {
		if other, taken := seen[sk]; taken {
			t.Errorf("%s and %s have the same sort key %q", what, other, sk)
		}
		seen[sk] = what
	}
}

// A caller chooses the key: whatever it holds, no two keys or tenants meet, and
// the item's key stays short.
func TestIdempotencyKeysDoNotMeet(t *testing.T) {
	t.Parallel()
	a, b := record.IdemKey("acme", "k"), record.IdemKey("acme", "k ")
	if a == b || a == record.IdemKey("other", "k") || len(a.PK) > 100 || a != record.IdemKey("acme", "k") {
		t.Errorf("keys %v and %v", a, b)
	}
}

// Every id falls into a shard that the sweeper visits.
func TestShardsAreTheOnesThatAreRead(t *testing.T) {
	t.Parallel()
	due, dead := map[string]bool{}, map[string]bool{}
	for n := range record.DueShards {
		due[record.DueShard(n)] = true
	}
	for n := range record.DeadShards {
		dead[record.DeadShard("acme", n)] = true
	}
	used := map[string]int{}
	for i := range 2000 {
		id := record.NewID(noon.Add(time.Duration(i)*time.Second), [10]byte{byte(i), byte(i >> 8)})
		d, x := record.DuePK(id), record.DeadPK("acme", id)
		if !due[d] || !dead[x] || record.HistPK("acme", id) != record.HistShard("acme", 0) {
			t.Fatalf("%s stands in %s, %s and %s", id, d, x, record.HistPK("acme", id))
		}
		used[d]++
		used[x]++
	}
	if len(used) != record.DueShards+record.DeadShards {
		t.Errorf("%d shards are used, want all %d", len(used), record.DueShards+record.DeadShards)
	}
}
