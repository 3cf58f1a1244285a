package etcdembed

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.etcd.io/etcd/server/v3/etcdserver"
)

const (
	// lookFirst and lookEvery pace the progress line: a healthy start is over
	// before the first look.
	lookFirst = time.Second
	lookEvery = 2 * time.Second
	// repeatAfter is when an unchanged progress line is written again, so that
	// the end of a log always shows what is being waited for.
	repeatAfter = 30 * time.Second
	// promoteEvery paces the attempts of a learner to become a voter.
	promoteEvery = 500 * time.Millisecond
)

// run accompanies the member from its start to its end.
func (s *Server) run(ctx context.Context) {
	defer close(s.ran)
	if err := s.untilReady(ctx); err != nil {
		if ctx.Err() == nil {
			s.errs <- err
		}
		return
	}
	s.noise.enter(phaseServing)
	s.setWaiting("")
	s.options.Log.Info("etcd member is ready", "member", s.options.Name, "client", s.options.ClientURL,
		"members", len(s.etcd.Server.Cluster().Members()), "leader", leaderName(s.etcd.Server))
	close(s.ready)
	if err := s.untilEnd(ctx); err != nil {
		s.errs <- err
	}
}

// untilReady returns nil when the member is a voter and serves.
func (s *Server) untilReady(ctx context.Context) error {
	client, err := peerClient(s.options.PeerTLS)
	if err != nil {
		return err
	}
	look := time.NewTimer(lookFirst)
	defer look.Stop()
	var written time.Time
	for {
		select {
		case <-s.etcd.Server.ReadyNotify():
			return s.untilVoter(ctx)
		case <-s.etcd.Server.StopNotify():
			return s.noise.ended()
		case err := <-s.etcd.Err():
			return s.listenerEnded(err)
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			text, err := s.look(ctx, client)
			if err != nil {
				return err
			}
			if text != s.Waiting() || time.Since(written) > repeatAfter {
				s.options.Log.Info("waiting for the cluster", "what", text, "member", s.options.Name)
				written = time.Now()
			}
			s.setWaiting(text)
			look.Reset(lookEvery)
		}
	}
}

// untilVoter promotes this member if it is a learner. Only the leader knows
// whether it has caught up, so it asks until the answer is yes.
func (s *Server) untilVoter(ctx context.Context) error {
	server := s.etcd.Server
	for server.IsLearner() {
		s.setWaiting("waiting to catch up as a learner")
		tryCtx, cancel := context.WithTimeout(ctx, changeLimit)
		_, err := server.PromoteMember(tryCtx, uint64(server.MemberID()))
		cancel()
		if err == nil {
			continue // until this member has applied it as well
		}
		s.options.Log.Debug("not promoted yet", "member", s.options.Name, "err", err)
		select {
		case <-server.StopNotify():
			return s.noise.ended()
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(promoteEvery):
		}
	}
	return nil
}

// untilEnd returns nil when Stop was called, else why the member ended.
func (s *Server) untilEnd(ctx context.Context) error {
	server := s.etcd.Server
	leader := leaderName(server) // stands in the line above
	for {
		changed := server.LeaderChangedNotify() // BEFORE the look, to miss none
		if name := leaderName(server); name != leader {
			leader = name
			s.options.Log.Info("etcd leader changed", "leader", leader)
		}
		select {
		case <-changed:
		case <-server.StopNotify():
			return s.noise.ended()
		case err := <-s.etcd.Err():
			return s.listenerEnded(err)
		case <-ctx.Done():
			return nil
		}
	}
}

// listenerEnded explains the end of a listener: when the whole member is
// ending, its reason is the better one.
func (s *Server) listenerEnded(err error) error {
	select {
	case <-s.etcd.Server.StoppingNotify():
		<-s.etcd.Server.StopNotify()
		return s.noise.ended()
	default:
		return fmt.Errorf("serve etcd: %w", err)
	}
}

// leaderName is empty while there is no leader.
func leaderName(server *etcdserver.EtcdServer) string {
	for _, m := range server.Cluster().Members() {
		if m.ID == server.Leader() {
			return m.Name
		}
	}
	return ""
}

// look asks the other members and says in one sentence what is missing. The
// error says that waiting is pointless.
func (s *Server) look(ctx context.Context, client *http.Client) (string, error) {
	return describeWait(askPeers(ctx, client, s.others()), s.etcd.Server.Cluster().ID().String(), s.dir.path)
}

// others lists the other members as the cluster knows them.
func (s *Server) others() (out []peer) {
	server := s.etcd.Server
	for _, m := range server.Cluster().Members() {
		if m.ID == server.MemberID() || len(m.PeerURLs) == 0 {
			continue
		}
		p := peer{Name: m.Name, URL: m.PeerURLs[0]}
		for _, configured := range s.options.others() {
			if p.Name == "" && slices.Contains(m.PeerURLs, configured.URL) {
				p.Name = configured.Name
			}
		}
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b peer) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// describeWait is look without the network: answers come from all members but
// this one, clusterID is the own one.
func describeWait(answers []peerAnswer, clusterID, dir string) (string, error) {
	total := len(answers) + 1
	quorum := total/2 + 1
	var foreign []string
	var missing []peerAnswer
	for _, a := range answers {
		if a.Err == nil && a.ClusterID != clusterID {
			foreign = append(foreign, fmt.Sprintf("%s (%s)", a.Name, a.URL))
			a.Err = fmt.Errorf("belongs to another etcd cluster (id %s, here %s): make initialCluster the same there, with an empty dataDir", a.ClusterID, clusterID)
		}
		if a.Err != nil {
			missing = append(missing, a)
		}
	}
	switch {
	case len(foreign) >= quorum:
		return "", fmt.Errorf("%s form another etcd cluster than the one in %s: %w; to join them move the directory away, `mmmagent etcd remove` this member there if it is listed, and start with `join: true`",
			strings.Join(foreign, ", "), dir, ErrOtherOwner)
	case len(missing) == 0:
		return "waiting for the members to elect a leader", nil
	}
	need := quorum - (total - len(missing))
	text := fmt.Sprintf("waiting for %d of %d members: %s", len(missing), total, describeSilent(missing))
	if need > 0 {
		text += fmt.Sprintf("; %d more needed for a quorum", need)
	}
	return text, nil
}

func (s *Server) setWaiting(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = text
}

// checkMembership compares what the data directory holds with the options. A
// directory that knows none of the other configured members holds a cluster of
// its own: started, it would be a second truth beside theirs.
func checkMembership(o Options, server *etcdserver.EtcdServer) error {
	var here []string
	for _, m := range server.Cluster().Members() {
		if m.ID == server.MemberID() {
			if m.Name != "" && m.Name != o.Name {
				return fmt.Errorf("%s belongs to member %s, not %s: %w; correct name or dataDir", o.DataDir, m.Name, o.Name, ErrOtherOwner)
			}
			continue
		}
		for _, p := range o.others() {
			if m.Name == p.Name || slices.Contains(m.PeerURLs, p.URL) {
				return nil
			}
		}
		here = append(here, m.Name)
	}
	if len(o.others()) == 0 || server.Cluster().Member(server.MemberID()) == nil {
		return nil // one member by configuration, or one that has not caught up yet
	}
	holds := "this member alone"
	if len(here) > 0 {
		holds = "this member with " + strings.Join(here, ", ")
	}
	return fmt.Errorf("%s holds a cluster of %s, while initialCluster names other members: %w; to go on with that cluster take the others out of initialCluster and let them join it, to form a new one move the directory away",
		o.DataDir, holds, ErrOtherOwner)
}
