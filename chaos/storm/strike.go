package storm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
)

// running is a fault that was begun.
type running struct {
	planned
	act    act
	record history.Fault
	on     bool // it bites and must be lifted
}

// strikes carries out strikes and records them.
type strikes struct {
	*site
	out   *history.Recorder
	say   func(string)
	slack time.Duration
	ids   int
	nth   int
}

// strike does the faults of one strike, lifts them and waits until the cluster
// is whole again. An error ends the run: the bed is not what it should be.
func (k *strikes) strike(ctx context.Context, plan plannedStrike) error {
	k.nth++
	var all []*running
	for i, p := range plan.faults {
		if i > 0 {
			if err := rest(ctx, plan.offset); err != nil {
				return err
			}
		}
		r, err := k.begin(ctx, p, all)
		all = append(all, r)
		if err != nil {
			r.record.Error = brief(err)
			break
		}
	}
	for _, r := range all {
		if r.on {
			_ = rest(ctx, r.hold-history.Now().Sub(r.record.Verified))
		}
	}
	if plan.reverse {
		slices.Reverse(all)
	}
	var failed error
	for _, r := range all {
		failed = errors.Join(failed, k.lift(context.WithoutCancel(ctx), r))
	}
	failed = errors.Join(failed, k.settle(ctx, all))
	for _, r := range all {
		k.out.Fault(r.record)
	}
	return failed
}

// begin does one fault and waits until it is seen to bite.
func (k *strikes) begin(ctx context.Context, p planned, others []*running) (*running, error) {
	k.ids++
	r := &running{planned: p}
	r.record = history.Fault{ID: k.ids, Strike: k.nth, Class: p.class.Name, Writer: k.writer()}
	r.act.host = k.choose(ctx, p, others)
	r.record.Host, r.record.Begin = r.act.host, history.Now()
	if p.on == onAll {
		r.record.Host = "all"
	}
	if r.act.host == "" {
		return r, fmt.Errorf("there is no %s to strike", p.on)
	}
	leads := k.etcdLeader(ctx) == r.act.host
	r.record.Begin = history.Now()
	r.on = true // also when do fails half-way
	if err := p.class.do(ctx, k.site, &r.act); err != nil {
		return r, fmt.Errorf("do it: %w", err)
	}
	err := until(ctx, bitesWithin, func() (err error) {
		r.record.Evidence, err = p.class.bites(ctx, k.site, &r.act)
		return err
	})
	if err != nil {
		return r, fmt.Errorf("it does not bite: %w", err)
	}
	r.record.Verified, r.record.Detail = history.Now(), r.act.note
	k.allow(r, len(others) > 0, leads)
	k.out.Fault(r.record)
	k.say(fmt.Sprintf("%3d. %s on %s (writer %s): %s", k.nth, p.class.Name, r.record.Host, r.record.Writer, r.record.Evidence))
	return r, nil
}

// choose finds the host that a place means now; not one that is struck already,
// if there is another.
func (k *strikes) choose(ctx context.Context, p planned, others []*running) string {
	if p.class.family == routerFamily {
		return k.chooseRouter(p.on)
	}
	writer, leader := k.writer(), ""
	if p.on == onLeader || p.on == onMember {
		leader = k.etcdLeader(ctx)
	}
	var fit, free []string
	for _, h := range k.databases() {
		if !k.fits(p.on, h, writer, leader) {
			continue
		}
		fit = append(fit, h.Name)
		if !slices.ContainsFunc(others, func(r *running) bool { return r.act.host == h.Name }) {
			free = append(free, h.Name)
		}
	}
	if len(free) > 0 {
		return free[p.pick%len(free)]
	}
	// On a host that is struck already a second fault may make no sense: then it
	// takes any other host. An operator's order would not be the same order there.
	if len(others) > 0 && p.class.family != "order" {
		for _, h := range k.databases() {
			if !slices.ContainsFunc(others, func(r *running) bool { return r.act.host == h.Name }) && (h.Etcd || p.class.family != "etcd") {
				return h.Name
			}
		}
	}
	if len(fit) > 0 {
		return fit[p.pick%len(fit)]
	}
	return ""
}

func (k *strikes) fits(on place, h lab.Host, writer, leader string) bool {
	switch on {
	case onWriter:
		return h.Name == writer
	case onMaster:
		return h.Mode == "master" && h.Name != writer
	case onReplica:
		return h.Mode == "slave" && h.Name != writer
	case onLeader:
		return h.Name == leader
	case onMember:
		return h.Etcd && h.Name != leader
	default:
		return h.Etcd
	}
}

// lift ends a fault and waits until it is seen to be over.
func (k *strikes) lift(ctx context.Context, r *running) error {
	if !r.on {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*endsWithin)
	defer cancel()
	err := r.class.undo(ctx, k.site, &r.act)
	r.record.Lifted = history.Now()
	if err == nil {
		err = until(ctx, endsWithin, func() error { return r.class.ends(ctx, k.site, &r.act) })
	}
	if err != nil {
		r.record.Error = brief(errors.Join(errors.New(r.record.Error), fmt.Errorf("it does not end: %w", err)))
		return err
	}
	r.record.Healed = history.Now()
	k.extend(r)
	k.out.Fault(r.record)
	return nil
}

// settle waits until the cluster is whole.
func (k *strikes) settle(ctx context.Context, all []*running) error {
	began := history.Now()
	limit := patience
	for _, r := range all {
		limit = max(limit, patience+r.class.after)
	}
	err := k.awaitWhole(ctx, limit)
	if err == nil {
		err = k.awaitWrite(ctx, limit)
	}
	now := history.Now()
	for _, r := range all {
		r.record.Settled = now
		if len(all) > 1 {
			r.record.GapLimit, r.record.RoutedLimit, r.record.VIPLimit = 0, 0, 0
		}
		if err != nil {
			r.record.Unsettled = fmt.Sprintf("not whole after %v: %s", limit, err)
		}
	}
	if err != nil {
		return fmt.Errorf("the cluster is not whole again: %w", err)
	}
	k.say(fmt.Sprintf("     whole %.1fs after the end of it; writer %s", now.Sub(began).Seconds(), k.writer()))
	return nil
}
