package etcdembed

import (
	"context"
	"fmt"
	"slices"

	"go.etcd.io/etcd/server/v3/embed"
)

// Stop hands leadership over, closes the member and releases its directory.
// Clients that know other members go on there, watches included. It may be called more than once. If ctx ends
// first the closing goes on behind it; what was acknowledged is on disk in any
// case, so the process may then exit.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { //nolint:contextcheck // the closing goes on when ctx ends
		s.noise.enter(phaseStopping)
		s.cancel()
		go s.shut()
	})
	select {
	case <-s.shutDone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop etcd member %s: %w", s.options.Name, context.Cause(ctx))
	}
}

func (s *Server) shut() {
	defer close(s.shutDone)
	<-s.ran
	// BEFORE the clients are cut off: one that comes to another member should
	// find a leader there.
	s.handOver()
	// A leader that nobody relieved stops at once: etcd's own attempt would
	// hold the stop up for many seconds, as when all members stop together.
	closeEtcd(s.etcd, s.leads())
	s.dir.release()
}

func (s *Server) leads() bool {
	server := s.etcd.Server
	return len(server.Cluster().Members()) > 1 && server.Leader() == server.MemberID()
}

// handOver gives leadership to a voter that answers, if this member has it.
// Failure is no error: the others then elect a leader, one election timeout
// later.
func (s *Server) handOver() {
	if !s.leads() {
		return
	}
	client, err := peerClient(s.options.PeerTLS)
	if err != nil {
		return
	}
	// Raft itself drops a transfer that takes an election timeout.
	ctx, cancel := context.WithTimeout(context.Background(), 2*s.options.Election)
	defer cancel()
	server := s.etcd.Server
	answers := askPeers(ctx, client, s.others())
	for _, m := range server.Cluster().Members() {
		answers := slices.ContainsFunc(answers, func(a peerAnswer) bool {
			return a.Err == nil && slices.Contains(m.PeerURLs, a.URL)
		})
		if answers && !m.IsLearner {
			_ = server.MoveLeader(ctx, uint64(server.MemberID()), uint64(m.ID))
			return
		}
	}
}

// closeEtcd ends the server and all its goroutines. A server that never became
// ready must be stopped hard first: Close would wait for its client listeners,
// and these for the readiness that does not come any more.
func closeEtcd(e *embed.Etcd, hard bool) {
	select {
	case <-e.Server.ReadyNotify():
	default:
		hard = true
	}
	if hard {
		e.Server.HardStop()
	}
	e.Close()
}
