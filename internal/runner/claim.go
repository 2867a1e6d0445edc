package runner

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/table"
)

// frozen is what a key has started: enough, with the body, for anyone to
// finish what a dead starter began.
type frozen struct {
	workflow string
	version  int
	id       string
}

// claimed says what a key has been before.
type claimed struct {
	before  bool // claimed by an earlier request
	differs bool // whose body was another
}

// claim puts the key's IDEM, or finds what it has started before. bad is why f
// cannot be started: a replay is answered all the same.
//
// An API key that comes with another body is refused. An event is not: its
// sender would send it again and at last give up on us. It is answered as the
// event it says it is, and whoever finishes what a dead starter began may do so
// with either body, since none was acknowledged before there was a META.
func (r *Runner) claim(ctx context.Context, s StartRequest, f frozen, bad error) (frozen, claimed, error) {
	image, taken, err := r.putIdem(ctx, s, f, bad)
	if err != nil || !taken {
		return f, claimed{}, err
	}
	c := claimed{before: true, differs: string(s.Body[:]) != image["bh"].Raw()}
	if c.differs && s.Source == "" {
		return f, c, problem.New(problem.KeyReused, "this Idempotency-Key came with another request body before; use a new key for a new request")
	}
	if c.differs {
		r.noteDifference(ctx, s)
	}
	parts := strings.Fields(image["ls"].Str())
	if len(parts) != 3 {
		return f, c, errors.New("the record of this key is not readable")
	}
	version, err := strconv.Atoi(parts[1])
	return frozen{workflow: parts[0], version: version, id: parts[2]}, c, err
}

func idemKey(s StartRequest) table.Key {
	if s.Source != "" {
		return record.EventKey(s.Tenant, s.Source, s.Key)
	}
	return record.IdemKey(s.Tenant, s.Key)
}

// putIdem puts the key's IDEM; taken says that there is one already, which is
// image. With bad it only looks, and bad is the answer where there is none.
func (r *Runner) putIdem(ctx context.Context, s StartRequest, f frozen, bad error) (image table.Attrs, taken bool, err error) {
	key := idemKey(s)
	if bad != nil {
		items, err := r.get(ctx, true, key)
		if err != nil {
			return nil, false, err
		}
		if len(items) == 0 || record.Expired(items[0].Attrs, r.cfg.Now()) {
			return nil, false, bad
		}
		return items[0].Attrs, true, nil
	}
	now, keep := r.cfg.Now(), s.Keep
	if keep == 0 {
		keep = KeyLife
	}
	// Before its META's, which is kept for Retention at least. A delayed start is
	// not over before its time: replays until then must find it.
	expires := now.Add(s.Delay + keep)
	owner := r.nonce(false)
	_, err = r.write(ctx, table.Write{
		Key: key, Kind: table.Put,
		Set: table.Attrs{
			"fv": table.Int(record.FV), "bh": table.Bytes(s.Body[:]), record.AtOwner: table.String(owner),
			"ls": table.String(f.workflow + " " + strconv.Itoa(f.version) + " " + f.id), table.ExpiryAttr: table.Int(expires.Unix()),
		},
		If: table.Cond{
			{{Attr: table.SKAttr, Op: table.Absent}},
			{{Attr: table.ExpiryAttr, Op: table.Le, Value: table.Int(now.Unix())}},
		},
	}, owner)
	if old, failed := table.Failed(err); failed {
		return old, true, nil
	}
	return nil, false, err
}

// noteDifference counts on the event's IDEM (mm) how often it came with another
// body than at first. The count is for people: where a reply was lost it may be
// one too high, and where the store stays busy the answer goes out without it.
func (r *Runner) noteDifference(ctx context.Context, s StartRequest) {
	r.log.Warn("an event came again with another body", "tenant", s.Tenant, "source", s.Source, "record", idemKey(s).PK)
	_, err := r.write(ctx, table.Write{
		Key: idemKey(s), Kind: table.Update, Add: map[string]int64{record.AtDiffers: 1},
		If: table.All(table.Test{Attr: "bh", Op: table.Ne, Value: table.Bytes(s.Body[:])}, table.Test{Attr: table.SKAttr, Op: table.Present}),
	}, "")
	if _, gone := table.Failed(err); err != nil && !gone {
		r.log.Warn("the difference could not be counted", "record", idemKey(s).PK, "error", err)
	}
}
