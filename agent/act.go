package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// act carries out one action. It returns what the loop should know, or why it
// did not work; nothing is logged here.
type act func(a *Agent, ctx context.Context, job job) (func(*state), error)

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

	fencePause = 20 * time.Millisecond // between two tries of a fence that does not work
)

// hands is the table of what the agent can do.
var hands = map[topology.Kind]hand{
	topology.Demote:       {do: (*Agent).demote, limit: limitServer, event: true, fresh: true},
	topology.EndReign:     {do: (*Agent).endReign, limit: limitServer, event: true, fresh: true},
	topology.PlaceBid:     {do: (*Agent).placeBid, limit: limitServer, fresh: true},
	topology.Fetch:        {do: (*Agent).fetch, limit: limitServer, event: true, fresh: true},
	topology.Campaign:     {do: (*Agent).campaign, limit: limitEtcd},
	topology.Adopt:        {do: (*Agent).adopt, limit: limitEtcd},
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
	topology.Drain:        {do: (*Agent).drain, limit: limitServer, event: true, fresh: true},
	topology.StopForOrder: {do: (*Agent).stopForOrder, limit: limitServer, fresh: true},
	topology.HandOver:     {do: (*Agent).handOver, limit: limitEtcd, event: true, fresh: true},
	topology.Undo:         {do: (*Agent).settle, limit: limitEtcd, event: true},
	topology.LeaveSource:  {do: (*Agent).leaveSource, limit: limitServer, fresh: true},
	topology.StartSQL:     {do: (*Agent).startSQL, limit: limitServer, fresh: true},
	topology.Follow:       {do: (*Agent).follow, limit: limitServer, event: true, fresh: true},
	topology.Reattach:     {do: (*Agent).reattach, limit: limitServer, event: true, fresh: true},
	topology.SetSemi:      {do: (*Agent).setSemi, limit: limitServer, fresh: true},
	topology.ClaimVIP:     {do: (*Agent).claimVIP, limit: limitServer, event: true},
	topology.GiveUpVIP:    {do: (*Agent).giveUpVIP, limit: limitServer, event: true},
	topology.SetVIPs:      {do: (*Agent).setVIPs, limit: limitServer},
}

// start runs an action in its lane, unless the lane is taken. What fences ends
// whatever else runs and waits for no lane but its own.
func (a *Agent) start(ctx context.Context, s *state, action topology.Action) {
	lane := action.Kind.Lane()
	if s.running[lane] != nil {
		return
	}
	if lane == topology.LaneFence {
		for _, r := range s.running {
			r.cancel()
		}
		if s.term != nil && action.Kind == topology.EndReign {
			s.ending = true
			s.term.End(action.Why)
		}
	}
	h := hands[action.Kind]
	parent := ctx
	if lane == topology.LaneFence {
		parent = context.WithoutCancel(ctx) // closing must work when everything else is over
	}
	run, cancel := context.WithTimeout(parent, h.limit)
	s.running[lane] = &running{action: action, cancel: cancel, since: time.Now()}
	j := job{Action: action, cluster: s.cluster, probe: s.probe}
	if session := s.rests(); session != nil {
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
func (a *Agent) carryOut(ctx context.Context, h hand, j job) outcome {
	began := time.Now()
	note, err := h.do(a, ctx, j)
	o := outcome{action: j.Action, err: err, note: note}
	if h.fresh {
		look, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeLimit)
		defer cancel()
		if p, err := a.db.Observe(look); err == nil {
			o.probe = a.prober.judge(p)
		}
	}
	o.took = time.Since(began)
	if err != nil && j.Kind.Lane() == topology.LaneFence && o.took < fencePause {
		<-time.After(fencePause - o.took) // nothing holds a fence back, but it must not spin
	}
	return o
}

// finish takes the outcome of an action into the state.
func (a *Agent) finish(s *state, o outcome) {
	delete(s.running, o.action.Kind.Lane())
	if o.probe != nil {
		s.takeProbe(*o.probe, time.Now())
	}
	if o.note != nil {
		o.note(s)
	}
	if o.err != nil {
		before := s.seen.Failed[o.action.Kind]
		failed := topology.Failure{At: time.Now(), Why: o.err.Error(), Unit: o.action.Unit()}
		s.seen.Failed[o.action.Kind] = failed
		level := slog.LevelWarn
		if errors.Is(o.err, store.ErrGuard) || (before.Unit == failed.Unit && before.Why == failed.Why) {
			level = slog.LevelDebug // somebody was faster, or the facts have changed: decided anew at once; or it was said before
		}
		a.log.Log(a.life, level, "did not work", "action", o.action.String(), "why", o.action.Why, "took", o.took, "err", o.err)
		return
	}
	delete(s.seen.Failed, o.action.Kind)
	a.log.Debug("did", "action", o.action.String(), "took", o.took)
	if hands[o.action.Kind].event {
		a.history.add(topology.Event{At: time.Now(), Host: a.opt.Host, Epoch: o.action.Epoch, What: sentence(a.opt.Host, o), Why: o.action.Why})
	}
}

// waitForActions ends what still runs when the loop ends, and waits for it.
func (a *Agent) waitForActions(s *state) {
	for _, r := range s.running {
		if r.action.Kind.Lane() != topology.LaneFence {
			r.cancel()
		}
	}
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
func sentence(self string, o outcome) string {
	act := o.action
	switch act.Kind {
	case topology.OpenDoor:
		return fmt.Sprintf("%s is the writer (epoch %d)", self, act.Epoch)
	case topology.EndReign:
		return fmt.Sprintf("%s gave the writer's place up (epoch %d) after %s", self, act.Epoch, o.took.Round(time.Millisecond))
	case topology.Demote:
		return self + " closed what it served"
	case topology.Fetch:
		return fmt.Sprintf("%s fetched from %s what it lacked", self, act.Host)
	case topology.CutAcker:
		return fmt.Sprintf("%s no longer waits for acknowledgements of %s", self, act.Host)
	case topology.Remember:
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
