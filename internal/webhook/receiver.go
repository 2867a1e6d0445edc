package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"net/textproto"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/problem"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/secret"
	"github.com/seed-926d1ba8/stepline/internal/sign"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// Sources finds a source, nil for none, and is expected to remember the answer.
type Sources interface {
	LiveSource(ctx context.Context, tenant, name string) (*workflow.Source, error)
}

// Secrets finds the value of a secret by name.
type Secrets interface {
	Resolve(ctx context.Context, name string) (string, error)
}

// Starter starts an execution once per source and event.
type Starter interface {
	Start(ctx context.Context, s runner.StartRequest) (runner.Started, error)
}

var (
	_ Secrets = (*secret.Resolver)(nil)
	_ Starter = (*runner.Runner)(nil)
)

// Config is what a Receiver needs; all fields but Log are required.
type Config struct {
	Sources Sources
	Secrets Secrets
	Starter Starter
	Now     func() time.Time
	Log     *slog.Logger // nil: discards
}

// Receiver takes events. It is safe for concurrent use.
type Receiver struct {
	Config
	decoy *sign.Scheme
}

// New makes a Receiver.
func New(c Config) (*Receiver, error) {
	if c.Sources == nil || c.Secrets == nil || c.Starter == nil || c.Now == nil {
		return nil, errors.New("webhook: Sources, Secrets, Starter and Now must be set")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Receiver{Config: c, decoy: sign.Standard(0)}, nil
}

// Delivery is one request as it came in.
type Delivery struct {
	Tenant, Source string
	Header         map[string][]string // names in canonical form
	Body           []byte              // byte for byte
}

// Receipt says what a genuine event has started.
type Receipt struct {
	Event      string   // its id
	Executions []string // their ids
	Repeated   bool     // a delivery before this one has started them
}

// Receive takes a delivery. Problems: Unauthorized, always the same, for
// whatever is not the genuine message of a known source; Invalid for a genuine
// event that cannot start its workflow; Unavailable when nothing is known to
// have been stored, or what may be genuine cannot be verified.
func (r *Receiver) Receive(ctx context.Context, d Delivery) (Receipt, error) {
	src, verified, err := r.verify(ctx, d)
	if err != nil {
		return Receipt{}, err
	}
	s, err := r.request(d, src, verified)
	if err != nil {
		r.Log.WarnContext(ctx, "a genuine event cannot start its workflow", "tenant", d.Tenant, "source", d.Source, "error", err)
		return Receipt{}, err
	}
	started, err := r.Starter.Start(ctx, s)
	switch code := problem.CodeOf(err); {
	case err == nil:
		return Receipt{Event: s.Key, Executions: []string{started.ID}, Repeated: started.Replayed}, nil
	case code == problem.NotFound: // the workflow's name is ours, not the sender's
		err = &problem.Error{Code: problem.Invalid, Detail: "the workflow that this source starts does not exist", Cause: err}
		fallthrough
	case code == problem.Invalid:
		r.Log.WarnContext(ctx, "a genuine event cannot start its workflow", "tenant", d.Tenant, "source", d.Source, "workflow", src.Workflow, "error", err)
	}
	return Receipt{}, err
}

// refusal is the one answer to everything that is not genuine.
func refusal() error {
	return problem.New(problem.Unauthorized, "there is no such source, or the signature is not valid")
}

// verify finds the source and holds the delivery against it.
func (r *Receiver) verify(ctx context.Context, d Delivery) (*workflow.Source, sign.Verified, error) {
	src, err := r.Sources.LiveSource(ctx, d.Tenant, d.Source)
	if err != nil {
		return nil, sign.Verified{}, err
	}
	scheme, secrets := r.decoy, []string{decoySecret}
	var unread error
	if src != nil {
		scheme = src.Scheme
		secrets, unread = r.secrets(ctx, d, src)
	}
	verified, err := scheme.Verify(textproto.MIMEHeader(d.Header).Values, d.Body, secrets, r.Now())
	switch {
	case src == nil:
		return nil, sign.Verified{}, refusal() // also of what was signed with the decoy's secret
	case unread != nil && (errors.Is(err, sign.ErrSignature) || errors.Is(err, sign.ErrSecret)):
		return nil, sign.Verified{}, &problem.Error{Code: problem.Unavailable, Detail: "events cannot be verified at the moment; send it again", Cause: unread}
	case errors.Is(err, sign.ErrSecret):
		r.Log.ErrorContext(ctx, "no secret of a source can be used", "tenant", d.Tenant, "source", d.Source)
		return nil, sign.Verified{}, refusal()
	case err != nil:
		r.Log.InfoContext(ctx, "an event was refused", "tenant", d.Tenant, "source", d.Source, "reason", err)
		return nil, sign.Verified{}, refusal()
	}
	return src, verified, nil
}

// decoySecret is what a delivery to nowhere is verified with.
const decoySecret = sign.SecretPrefix + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// secrets finds the source's secrets. One that is missing is left out, for the
// others may do. So is one that cannot be read at the moment, which unread tells:
// a signature that none of the others has made may be by that one.
func (r *Receiver) secrets(ctx context.Context, d Delivery, src *workflow.Source) (values []string, unread error) {
	for _, name := range src.Secrets {
		value, err := r.Secrets.Resolve(ctx, name)
		var missing *secret.MissingError
		switch {
		case err == nil:
			values = append(values, value)
		case errors.As(err, &missing):
			r.Log.ErrorContext(ctx, "a secret of a source is missing", "tenant", d.Tenant, "source", d.Source, "error", err)
		default:
			unread = err
		}
	}
	return values, unread
}

// request is what the event asks for.
func (r *Receiver) request(d Delivery, src *workflow.Source, verified sign.Verified) (runner.StartRequest, error) {
	sum := sha256.Sum256(d.Body)
	id := verified.ID
	if id == "" {
		id = hex.EncodeToString(sum[:])
	}
	env, err := environment(d, src, id)
	if err != nil {
		return runner.StartRequest{}, err
	}
	if src.DedupeKey != nil {
		if id, err = key(src, env); err != nil {
			return runner.StartRequest{}, err
		}
	}
	input, err := input(src, env)
	if err != nil {
		return runner.StartRequest{}, err
	}
	return runner.StartRequest{
		Tenant: d.Tenant, Workflow: src.Workflow, Version: src.Version, Input: input,
		Key: id, Body: sum, Source: src.Name, Keep: src.DedupeTTL,
	}, nil
}
