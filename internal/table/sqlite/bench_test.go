package sqlite

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sqlitefile"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// preallocated is how the one-machine program opens its file.
var preallocated = sqlitefile.Options{Preallocate: 64 << 20}

// BenchmarkRawSync is what the disk takes for one synced write of 8 KB, the
// lower bound of every commit.
func BenchmarkRawSync(b *testing.B) {
	for name, grow := range map[string]bool{"overwrite": false, "append": true} {
		b.Run(name, func(b *testing.B) {
			f, err := os.CreateTemp(b.TempDir(), "raw")
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			page := make([]byte, 8<<10)
			if _, err := f.WriteAt(make([]byte, 8<<20), 0); err != nil {
				b.Fatal(err)
			}
			i := int64(0)
			for b.Loop() {
				at := i % 1024
				if grow {
					at = 1024 + i
				}
				i++
				if _, err := f.WriteAt(page, at*int64(len(page))); err != nil {
					b.Fatal(err)
				}
				if err := syscall.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkIdleWrite is one writer alone: an execution's writes one after the
// other, each durable before the next.
func BenchmarkIdleWrite(b *testing.B) {
	for name, o := range map[string]sqlitefile.Options{"growing": {}, "preallocated": preallocated} {
		b.Run(name, func(b *testing.B) {
			tab := open(b, o)
			i := 0
			for b.Loop() {
				execution(b, tab, fmt.Sprintf("default#ex_%026d", i/writesEach), i%writesEach)
				i++
			}
		})
	}
}

// BenchmarkWriters is 50 writers at once; ns/op is the time per write over all
// of them.
func BenchmarkWriters(b *testing.B) {
	tab := open(b, preallocated)
	before, cpu := tab.file.Stats(), processorTime()
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for w := range 50 {
		wg.Go(func() {
			for i := 0; next.Add(1) <= int64(b.N); i++ {
				execution(b, tab, fmt.Sprintf("default#ex_%020d%06d", i/writesEach, w), i%writesEach)
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := tab.file.Stats()
	commits := after.Commits - before.Commits
	b.ReportMetric(float64(b.N)/float64(max(commits, 1)), "writes/commit")
	b.ReportMetric(float64(processorTime()-cpu)/float64(time.Microsecond)/float64(b.N), "cpu-us/op")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}

func processorTime() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

const writesEach = 7

var body = func() []byte {
	b := make([]byte, 1000)
	for i := range b {
		b[i] = byte(i * 7)
	}
	return b
}()

// execution makes the n-th write of a five-step execution.
func execution(b *testing.B, tab *Table, pk string, n int) {
	meta, eq := table.Key{PK: pk, SK: "0"}, func(ep int64) table.Cond {
		return table.All(table.Test{Attr: "ep", Op: table.Eq, Value: table.Int(ep)})
	}
	var w table.Write
	switch n {
	case 0:
		w = table.Write{Key: meta, Kind: table.Put, Set: metaAttrs(), If: table.IfAbsent()}
	case 1:
		w = table.Write{Key: meta, Kind: table.Update, Set: table.Attrs{"ep": table.Int(1), "lu": table.Int(1 << 40), "ow": table.String("incarnat.nonce-nonce"), "st": table.String("running")}, If: eq(0)}
	case 6:
		w = table.Write{Key: meta, Kind: table.Update, Set: table.Attrs{"lu": table.Int(0), "st": table.String("succeeded"), "out": table.Bytes(body[:300])}, If: eq(1)}
	default:
		w = table.Write{
			Key: table.Key{PK: pk, SK: fmt.Sprintf("s#1#step%d", n)}, Kind: table.Put,
			Set: table.Attrs{"fv": table.Int(1), "k": table.String("s"), "n": table.Int(1), "ow": table.String("incarnat.nonce-nonce"), "b": table.Bytes(body)},
			If:  table.Cond{{{Attr: "k", Op: table.Absent}}, {{Attr: "k", Op: table.Eq, Value: table.String("o")}}},
		}
	}
	if _, err := tab.Write(b.Context(), w); err != nil {
		b.Error(err)
	}
}

func metaAttrs() table.Attrs {
	return table.Attrs{
		"fv": table.Int(1), "wf": table.String("big-order"), "v": table.Int(3), "run": table.Int(1),
		"st": table.String("queued"), "ep": table.Int(0), "lu": table.Int(0), "nd": table.Int(0), "at": table.Int(0),
		"sg": table.Int(0), "dl": table.Int(1 << 41), "xp": table.Int(1 << 31), "hp": table.String("default#h#0"),
		"pr": table.String("normal"), "in": table.Bytes(body[:300]),
	}
}

func BenchmarkEncode(b *testing.B) {
	a := metaAttrs()
	for b.Loop() {
		encode(a)
	}
}

func BenchmarkDecode(b *testing.B) {
	doc := string(encode(metaAttrs()))
	for b.Loop() {
		if _, err := decode(doc); err != nil {
			b.Fatal(err)
		}
	}
}
