package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// act carries out one action. It returns what the loop should know, or why it
// did not work; nothing is logged here.
type act func(a *Agent, ctx context.Context, job job) (step.Note, error)

// job is an action with the parts of the state that carrying it out needs.
type job struct {
	topology.Action
	session leaseHolder
	cluster topology.Cluster
	probe   topology.Probe
	term    termHolder
}

// hand says how a kind of action is done and how long it may take.
type hand struct {
	do    act
	limit time.Duration // of the whole action
	event bool          // worth an event when it worked
	fresh bool          // it changed mysqld: look again before anything else is decided
}

// The limits. None may hold up a fence: those cancel whatever runs.
const (
	limitEtcd   = 600 * time.Millisecond
	limitServer = 5 * time.Second
	limitWait   = 2 * time.Second // for a relay log; asked again as long as the rule holds
	limitRow    = 30 * time.Second
	limitRewind = 15 * time.Minute // it is archived, undone and, when cut short, ended by the next one
	limitClone  = 48 * time.Hour   // a silent donor ends it after seconds
	limitPlace  = 30 * time.Minute // stop, moves, start; taken up again where it stopped
	limitReplay = 30 * time.Second // taken up again where it stopped

	fencePause = 20 * time.Millisecond // between two tries of a fence that does not work
)

// hands is the table of what the agent can do.
var hands = map[topology.Kind]hand{
	topology.Demote:       {do: (*Agent).demote, limit: limitServer, event: true, fresh: true},
	topology.EndReign:     {do: (*Agent).endReign, limit: limitServer, event: true, fresh: true},
	topology.PlaceBid:     {do: (*Agent).placeBid, limit: limitServer, fresh: true},
	topology.Fetch:        {do: (*Agent).fetch, limit: limitServer, event: true, fresh: true},
	topology.Campaign:     {do: (*Agent).campaign, limit: limitEtcd},
	topology.Replay:       {do: (*Agent).replay, limit: limitReplay, event: true, fresh: true},
	topology.Bury:         {do: (*Agent).bury, limit: limitEtcd, event: true},
	topology.Adopt:        {do: (*Agent).adopt, limit: limitEtcd},
	topology.Retake:       {do: (*Agent).retake, limit: limitEtcd, event: true},
	topology.WaitApplied:  {do: (*Agent).waitApplied, limit: limitWait, fresh: true},
	topology.BecomeSource: {do: (*Agent).becomeSource, limit: limitServer, fresh: true},
	topology.PutPhase:     {do: (*Agent).putPhase, limit: limitEtcd},
	topology.WriteRow:     {do: (*Agent).writeRow, limit: limitRow, fresh: true},
	topology.Nudge:        {do: (*Agent).nudge, limit: limitRow, fresh: true},
	topology.PutReign:     {do: (*Agent).putReign, limit: limitEtcd},
	topology.OpenDoor:     {do: (*Agent).openDoor, limit: limitServer, event: true, fresh: true},
	topology.SetShun:      {do: (*Agent).setShun, limit: limitServer},
	topology.CutAcker:     {do: (*Agent).cutAcker, limit: limitServer, event: true},
	topology.Remember:     {do: (*Agent).remember, limit: limitEtcd, event: true},
	topology.Settle:       {do: (*Agent).settle, limit: limitEtcd, event: true},
	topology.LoseTrust:    {do: (*Agent).loseTrust, limit: limitEtcd, event: true},
	topology.Trust:        {do: (*Agent).trust, limit: limitServer, event: true},
	topology.Drain:        {do: (*Agent).drain, limit: limitServer, event: true, fresh: true},
	topology.StopForOrder: {do: (*Agent).stopForOrder, limit: limitServer, fresh: true},
	topology.HandOver:     {do: (*Agent).handOver, limit: limitEtcd, event: true, fresh: true},
	topology.Undo:         {do: (*Agent).settle, limit: limitEtcd, event: true},
	topology.SetSource:    {do: (*Agent).setSource, limit: limitServer, event: true, fresh: true},
	topology.LeaveSource:  {do: (*Agent).leaveSource, limit: limitServer, fresh: true},
	topology.StartSQL:     {do: (*Agent).startSQL, limit: limitServer, fresh: true},
	topology.Follow:       {do: (*Agent).follow, limit: limitServer, event: true, fresh: true},
	topology.Reattach:     {do: (*Agent).reattach, limit: limitServer, event: true, fresh: true},
	topology.SetSemi:      {do: (*Agent).setSemi, limit: limitServer, fresh: true},
	topology.Rewind:       {do: (*Agent).rewind, limit: limitRewind, fresh: true},
	topology.EndRejoin:    {do: (*Agent).endRejoin, limit: limitEtcd, event: true},
	topology.CloneHost:    {do: (*Agent).cloneHost, limit: limitClone},
	topology.ReplaceData:  {do: (*Agent).replaceData, limit: limitPlace, fresh: true},
	topology.DropData:     {do: (*Agent).dropData, limit: limitRewind},
	topology.ClaimVIP:     {do: (*Agent).claimVIP, limit: limitServer, event: true},
	topology.GiveUpVIP:    {do: (*Agent).giveUpVIP, limit: limitServer, event: true},
	topology.SetVIPs:      {do: (*Agent).setVIPs, limit: limitServer},
	topology.OpenReaders:  {do: (*Agent).openReaders, limit: limitServer},
	topology.ClosePort:    {do: (*Agent).closePort, limit: limitServer},
}

// start runs an action in its lane, unless the lane is taken; a fence cuts short
// what else runs.
func (a *Agent) start(ctx context.Context, s *state, action topology.Action) {
	ends, ok := s.Begin(action)
	if !ok {
		return
	}
	for _, lane := range ends {
		s.cancel[lane]()
	}
	s.live(a.life, action.Why) //nolint:contextcheck // a term outlives this call
	a.failsafe.forget(action)
	h, lane, parent := hands[action.Kind], action.Kind.Lane(), ctx
	if lane == topology.LaneFence {
		parent = context.WithoutCancel(ctx) // closing must work when everything else is over
	}
	run, cancel := context.WithTimeout(parent, h.limit)
	s.cancel[lane] = cancel
	j := job{Action: action, cluster: s.Cluster, probe: s.Probe}
	session := s.rests()
	if action.Kind == topology.Retake {
		session = s.session // the reign rests on promises; it is to rest on this lease
	}
	if session != nil {
		j.session = held{session, a.clock}
	}
	if s.term != nil {
		j.term = s.term
	}
	a.actions.Add(1)
	go func() {
		defer a.actions.Done()
		defer cancel()
		a.in.outcomes <- a.carryOut(run, h, j)
	}()
}

// carryOut does the action and, when it changed mysqld, looks at it again.
func (a *Agent) carryOut(ctx context.Context, h hand, j job) step.Outcome {
	began := time.Now()
	note, err := h.do(a, ctx, j)
	o := step.Outcome{Action: j.Action, Err: err, Note: note, Unknown: errors.Is(err, store.ErrUnknownOutcome)}
	if h.fresh {
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeLimit)
		defer cancel()
		if p, err := a.db.Observe(look); err == nil {
			o.Probe = a.prober.judge(p)
		}
	}
	o.Took = time.Since(began)
	if err != nil && j.Kind.Lane() == topology.LaneFence && o.Took < fencePause {
		<-time.After(fencePause - o.Took) // nothing holds a fence back, but it must not spin
	}
	return o
}

// finish takes the outcome of an action into the state, and tells of it.
func (a *Agent) finish(s *state, o step.Outcome) {
	again := s.Finish(o, time.Now())
	s.live(a.life, orElse(o.Action.Why, "over"))
	if o.Err != nil {
		level := slog.LevelWarn
		if again || errors.Is(o.Err, store.ErrGuard) {
			level = slog.LevelDebug // somebody was faster, or the facts have changed: decided anew at once; or it was said before
		}
		a.log.Log(a.life, level, "did not work", "action", o.Action.String(), "why", o.Action.Why, "took", o.Took, "err", o.Err)
		return
	}
	a.log.Debug("did", "action", o.Action.String(), "took", o.Took)
	if hands[o.Action.Kind].event {
		a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: o.Action.Epoch, What: sentence(a.opt.Host, o), Why: o.Action.Why})
	}
}

// cutShort ends what runs and is no fence.
func (s *state) cutShort() {
	for _, lane := range s.Unfenced() {
		s.cancel[lane]()
	}
}

// waitForActions ends what still runs when the loop ends, and waits for it.
func (a *Agent) waitForActions(s *state) {
	s.cutShort()
	done := make(chan struct{})
	go func() { a.actions.Wait(); close(done) }()
	for {
		select {
		case <-a.in.outcomes: // nobody decides any more
		case <-done:
			return
		}
	}
}

// sentence tells an event in one English sentence.
func sentence(self string, o step.Outcome) string {
	act := o.Action
	switch act.Kind {
	case topology.OpenDoor:
		return fmt.Sprintf("%s is the writer (epoch %d)", self, act.Epoch)
	case topology.LoseTrust:
		return self + " looked at an etcd that seems to have gone back to an older state"
	case topology.Trust:
		return self + " believes etcd again"
	case topology.Retake:
		return fmt.Sprintf("%s took its reign of epoch %d again after etcd had let go of it", self, act.Epoch)
	case topology.EndReign:
		return fmt.Sprintf("%s gave the writer's place up (epoch %d) after %s", self, act.Epoch, o.Took.Round(time.Millisecond))
	case topology.Demote:
		return self + " closed what it served"
	case topology.Replay:
		return fmt.Sprintf("%s took in what its last mysqld had kept to itself, up to %s", self, act.Position)
	case topology.SetSource:
		if act.On {
			return fmt.Sprintf("%s waits for acknowledgements again: %s can give them", self, act.Host)
		}
		return self + " WRITES WITHOUT ACKNOWLEDGEMENTS from now on: what it writes is lost if it is lost"
	case topology.Bury:
		return fmt.Sprintf("%s is no longer missed since epoch %d was given up", act.Host, act.Tombstone.Epoch)
	case topology.Fetch:
		return fmt.Sprintf("%s fetched from %s what it lacked", self, act.Host)
	case topology.CutAcker:
		return fmt.Sprintf("%s no longer waits for acknowledgements of %s", self, act.Host)
	case topology.EndRejoin:
		return "the operator's order to bring " + self + " back is over"
	case topology.Remember:
		if act.Rule == ruleVerdict {
			return verdictSaid(self, act)
		}
		if act.Memory.Cleared == act.Memory.Seen {
			return self + " is trusted"
		}
		return self + " awaits recovery"
	case topology.Settle, topology.Undo:
		return "the operator's order is " + string(act.Order.Step) + ": " + act.Order.Outcome
	case topology.Drain:
		return self + " stopped writing for a switchover to " + act.Order.Target
	case topology.HandOver:
		return fmt.Sprintf("%s handed the writer's place to %s", self, act.Host)
	case topology.Follow:
		return fmt.Sprintf("%s replicates from %s", self, act.Host)
	case topology.ClaimVIP:
		return fmt.Sprintf("%s serves %s", self, act.VIPs[0])
	case topology.GiveUpVIP:
		return fmt.Sprintf("%s gave up %s", self, act.VIPs[0])
	default:
		return fmt.Sprintf("%s: %s", self, act.String())
	}
}
