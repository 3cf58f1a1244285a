package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/mmm-ha/mmm/internal/certs"
)

// How a watch is kept honest.
const (
	proveEvery = 250 * time.Millisecond  // how often a watch is shown to be complete
	silenceMax = 1200 * time.Millisecond // without proof for so long: on to the next member
)

// Why a watch must begin anew with a load.
var (
	errCompacted = errors.New("history was compacted")
	errWentBack  = errors.New("etcd went back to an older revision")
)

// stream follows a range of keys at one member. etcd's own Watcher hides a
// broken connection behind its retries, so the RPC is used as it is.
type stream struct {
	client *Client
	member *member
	from   string // the range
	end    string
	rev    int64 // everything up to here was applied

	apply func([]*mvccpb.Event) // whole revisions, in order
	fresh func(time.Time)       // everything committed before this moment was applied
}

// proof is one round of showing that nothing is missing: a linearizable read
// through the same member says which revision etcd had reached, then the watch
// says that it has delivered that much.
type proof struct {
	asked time.Time // before the read left
	base  int64     // what had been applied then
	rev   int64     // what the read said
	err   error
}

// run follows until ctx ends, the connection breaks, or there was no proof for
// too long. It never returns nil.
func (s *stream) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(clientv3.WithRequireLeader(ctx))
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel(nil) // runs before the wait above
	silent := fmt.Errorf("no proof of life from %s for %s", s.member.endpoint, silenceMax)
	silence := time.AfterFunc(silenceMax, func() { cancel(silent) })
	defer silence.Stop()

	rpc, err := s.open(ctx)
	if err != nil {
		return s.cause(ctx, err)
	}
	answers := make(chan *pb.WatchResponse)
	broken := make(chan error, 1)
	wg.Go(func() { receive(ctx, rpc, answers, broken) })
	asks, proofs := make(chan proof, 1), make(chan proof, 1)
	wg.Go(func() { s.prove(ctx, asks, proofs) })
	defer close(asks)

	tick := time.NewTicker(proveEvery)
	defer tick.Stop()
	asks <- proof{asked: time.Now(), base: s.rev}
	var pending proof // read, and not yet delivered
	for {
		select {
		case a := <-answers:
			if err := s.take(a); err != nil {
				return err
			}
		case p := <-proofs:
			if p.err != nil {
				continue // the silence will tell
			}
			if p.rev < p.base {
				return fmt.Errorf("%w: from %d to %d", errWentBack, p.base, p.rev)
			}
			pending = p
			// etcd answers only when its revision is not below the first one that
			// was asked for, so a quiet etcd must not need the answer.
			if p.rev > s.rev {
				if err := rpc.Send(progressRequest); err != nil {
					return s.cause(ctx, err)
				}
			}
		case <-tick.C:
			select {
			case asks <- proof{asked: time.Now(), base: s.rev}:
			default: // the last one has not been answered yet
			}
		case err := <-broken:
			return s.cause(ctx, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if pending.rev > 0 && s.rev >= pending.rev {
			s.fresh(pending.asked)
			silence.Reset(silenceMax)
			pending = proof{}
		}
	}
}

// open starts the RPC and asks for everything after s.rev.
func (s *stream) open(ctx context.Context) (pb.Watch_WatchClient, error) {
	rpc, err := s.member.watch.Watch(ctx)
	if err != nil {
		return nil, err
	}
	return rpc, rpc.Send(&pb.WatchRequest{RequestUnion: &pb.WatchRequest_CreateRequest{
		CreateRequest: &pb.WatchCreateRequest{Key: []byte(s.from), RangeEnd: []byte(s.end), StartRevision: s.rev + 1},
	}})
}

var progressRequest = &pb.WatchRequest{RequestUnion: &pb.WatchRequest_ProgressRequest{ProgressRequest: &pb.WatchProgressRequest{}}}

// isProgress tells the answer to a progress request, which etcd gives only when
// everything up to its revision was delivered, from events and confirmations.
func isProgress(a *pb.WatchResponse) bool {
	return len(a.Events) == 0 && !a.Created && !a.Canceled && a.WatchId == clientv3.InvalidWatchID
}

// take applies one answer.
func (s *stream) take(a *pb.WatchResponse) error {
	switch {
	case a.CompactRevision > 0:
		return fmt.Errorf("%w up to %d", errCompacted, a.CompactRevision)
	case a.Canceled:
		return fmt.Errorf("watch ended by %s: %s", s.member.endpoint, a.CancelReason)
	case len(a.Events) > 0:
		s.apply(a.Events)
		s.rev = max(s.rev, a.Events[len(a.Events)-1].Kv.ModRevision)
	case isProgress(a):
		s.rev = max(s.rev, a.Header.Revision)
	}
	return nil
}

// receive hands on what arrives until the RPC ends.
func receive(ctx context.Context, rpc pb.Watch_WatchClient, answers chan<- *pb.WatchResponse, broken chan<- error) {
	for {
		a, err := rpc.Recv()
		if err != nil {
			broken <- err
			return
		}
		select {
		case answers <- a:
		case <-ctx.Done():
			broken <- ctx.Err()
			return
		}
	}
}

// prove carries out the reads, one at a time.
func (s *stream) prove(ctx context.Context, asks <-chan proof, proofs chan<- proof) {
	for p := range asks {
		resp, err := attempt(ctx, s.client, s.member, func(ctx context.Context, m *member) (*pb.RangeResponse, error) {
			return m.kv.Range(ctx, &pb.RangeRequest{Key: []byte(s.from), CountOnly: true})
		})
		if p.err = err; err == nil {
			p.rev = resp.Header.Revision
		}
		select {
		case proofs <- p:
		case <-ctx.Done():
			return
		}
	}
}

// cause prefers the reason for which the context was ended to the error that
// this made of the RPC.
func (s *stream) cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err = s.member.explain(err); errors.As(err, new(*certs.Explained)) {
		return err
	}
	return errors.New(plain(err))
}

// followWell follows a range for ever: at one member after the other, from the
// revision reached, with a load whenever history does not suffice. It returns
// only the cause of ctx's end.
func (c *Client) followWell(ctx context.Context, s *stream, load func(context.Context) (int64, error)) error {
	loaded, troubled, said := false, false, ""
	trouble := func(err error) {
		var e *certs.Explained
		news := errors.As(err, &e) && e.Text != said
		if !troubled || news { // one line per outage, not one per attempt, and one for what an operator must mend
			c.log.Warn("watch interrupted", "err", err)
		}
		if news {
			said = e.Text
		}
		c.log.Debug("watch attempt ended", "err", err)
		troubled = true
		pause(ctx)
	}
	fresh := s.fresh
	s.fresh = func(at time.Time) {
		if troubled {
			c.log.Info("watch is complete again", "endpoint", s.member.endpoint)
		}
		troubled, said = false, ""
		fresh(at)
	}
	for ctx.Err() == nil {
		if !loaded {
			asked := time.Now()
			rev, err := load(ctx)
			if err != nil {
				trouble(err)
				continue
			}
			s.rev = rev
			fresh(asked)
		}
		s.member = c.order()[0]
		err := s.run(ctx)
		if ctx.Err() != nil {
			break
		}
		c.note(s.member, hedgeAfter, err)
		loaded = !errors.Is(err, errCompacted) && !errors.Is(err, errWentBack)
		trouble(err)
	}
	return context.Cause(ctx)
}
