package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// fault is one thing that befalls the cluster. It is planned before anything
// happens, so that leaving one out changes nothing about the others.
type fault struct {
	n       int
	at      moment
	class   string
	writer  bool // strikes whoever reigns then; else host
	host    int
	other   int
	lasts   time.Duration
	coin    bool
	episode int
}

func (f fault) String() string {
	who := fmt.Sprintf("db%d", f.host+1)
	if f.writer {
		who = "the writer"
	}
	return fmt.Sprintf("fault %d at %.3f: %s on %s (db%d) for %s", f.n, f.at.Seconds(), f.class, who, f.other+1, f.lasts.Round(time.Millisecond))
}

// kind is a class of faults. apply returns what ends it; nil: it ends by itself.
type kind struct {
	name   string
	weight int
	local  bool // on another host than the writer it must move nothing
	lo, hi time.Duration
	apply  func(w *world, h *host, f fault) func()
}

var kinds = []kind{
	{"mysqld killed", 8, true, 200 * time.Millisecond, 2 * time.Second, killed1},
	{"mysqld down", 3, true, 4 * time.Second, 12 * time.Second, killed1},
	{"mysqld frozen", 4, true, 200 * time.Millisecond, 5 * time.Second, frozenServer},
	{"mysqld restarted unseen", 4, true, 150 * time.Millisecond, 1200 * time.Millisecond, restartedUnseen},
	{"mysqld and agent restarted", 4, true, 150 * time.Millisecond, 900 * time.Millisecond, bothRestarted},
	{"agent restarted", 6, true, 20 * time.Millisecond, 900 * time.Millisecond, agentKilled},
	{"agent killed", 4, true, 2500 * time.Millisecond, 8 * time.Second, agentKilled},
	{"agent frozen", 6, true, 200 * time.Millisecond, 6 * time.Second, agentFrozen},
	{"host frozen", 4, true, 200 * time.Millisecond, 6 * time.Second, hostFrozen},
	{"virtual machine paused", 3, true, 200 * time.Millisecond, 6 * time.Second, paused},
	{"power lost", 5, true, 2 * time.Second, 9 * time.Second, powerLost},
	{"cut from etcd", 5, true, 200 * time.Millisecond, 8 * time.Second, cutEtcd},
	{"deaf to etcd", 4, true, 200 * time.Millisecond, 8 * time.Second, deafToEtcd},
	{"mute to etcd", 4, true, 200 * time.Millisecond, 8 * time.Second, muteToEtcd},
	{"cut from a host", 5, false, 200 * time.Millisecond, 8 * time.Second, cutHost},
	{"isolated", 5, true, 500 * time.Millisecond, 9 * time.Second, isolated},
	{"cut from clients", 2, true, 500 * time.Millisecond, 5 * time.Second, cutClients},
	{"lossy network", 3, true, time.Second, 8 * time.Second, lossy},
	{"slow watch", 3, true, 500 * time.Millisecond, 6 * time.Second, slowWatch},
	{"etcd elects", 4, false, 100 * time.Millisecond, 1900 * time.Millisecond, etcdDown},
	{"etcd gone", 2, false, 2 * time.Second, 10 * time.Second, etcdDown},
	{"etcd slow", 3, false, 500 * time.Millisecond, 5 * time.Second, etcdSlow},
	{"slow replica", 3, true, 500 * time.Millisecond, 6 * time.Second, slowReplica},
	{"read_only taken off by hand", 2, true, 0, 0, super},
	{"set offline", 2, false, 2 * time.Second, 8 * time.Second, setOffline},
	{"switchover", 6, false, 0, 0, switchover},
	{"mode", 2, false, 3 * time.Second, 9 * time.Second, modes},
}

func kindOf(class string) kind {
	all := append(slices.Concat(kinds, disasters), meddling, deserted, emptied)
	return all[slices.IndexFunc(all, func(k kind) bool { return k.name == class })]
}

// faults is the plan of a run, and what is under way.
type faults struct {
	w       *world
	plan    []fault
	undo    map[int]func()
	struck  map[string]int
	last    moment // end of the last one
	gaps    map[string]time.Duration
	episode []episode
}

// episode is a few faults that overlap, with rest after them.
type episode struct {
	from, to moment
	quiet    moment // when its faults are over
	faults   []int
}

// planned makes the plan of a seed: episodes of faults with rest between them.
func planned(seed uint64, from, to moment, rest [2]time.Duration) ([]fault, []episode) {
	rng := rand.New(rand.NewPCG(seed, 2))      //nolint:gosec // a simulation must replay
	disaster := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // of its own, so that it changes no other choice
	desert := rand.New(rand.NewPCG(seed, 6))   //nolint:gosec // likewise
	empty := rand.New(rand.NewPCG(seed, 7))    //nolint:gosec // likewise
	meddler := rand.New(rand.NewPCG(seed, 4))  //nolint:gosec // likewise
	between := func(lo, hi time.Duration) time.Duration { return lo + time.Duration(rng.Int64N(int64(hi-lo)+1)) }
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	var plan []fault
	var eps []episode
	for at := from; at < to; {
		e := episode{from: at}
		count := 1
		for count < 4 && rng.Float64() < 0.4 {
			count++
		}
		end := at
		for range count {
			x, i := rng.IntN(total), 0
			for x >= kinds[i].weight {
				x -= kinds[i].weight
				i++
			}
			k := kinds[i]
			f := fault{n: len(plan), at: at, class: k.name, writer: rng.Float64() < 0.5, host: rng.IntN(4), other: rng.IntN(4), coin: rng.IntN(2) == 0, lasts: between(k.lo, k.hi), episode: len(eps)}
			if count > 1 {
				f.at += between(0, 4*time.Second)
			}
			end = max(end, f.at+f.lasts)
			e.faults = append(e.faults, f.n)
			plan = append(plan, f)
		}
		if disaster.Float64() < disasterRate {
			k := disasters[disaster.IntN(len(disasters))]
			f := fault{n: len(plan), at: at, class: k.name, coin: disaster.IntN(2) == 0, lasts: k.lo + time.Duration(disaster.Int64N(int64(k.hi-k.lo))), episode: len(eps)}
			end = max(end, f.at+f.lasts)
			e.faults = append(e.faults, f.n)
			plan = append(plan, f)
		}
		if meddler.Float64() < meddlingRate {
			f := fault{n: len(plan), at: at + time.Duration(meddler.Int64N(int64(4*time.Second))), class: meddling.name, host: meddler.IntN(4), other: meddler.IntN(4), coin: meddler.IntN(2) == 0,
				lasts: meddling.lo + time.Duration(meddler.Int64N(int64(meddling.hi-meddling.lo))), episode: len(eps)}
			end = max(end, f.at+f.lasts)
			e.faults = append(e.faults, f.n)
			plan = append(plan, f)
		}
		if empty.Float64() < emptyRate {
			f := fault{n: len(plan), at: at + time.Duration(empty.Int64N(int64(2*time.Second))), class: emptied.name, writer: empty.IntN(2) == 0, host: empty.IntN(4),
				lasts: emptied.lo + time.Duration(empty.Int64N(int64(emptied.hi-emptied.lo))), episode: len(eps)}
			end = max(end, f.at+f.lasts)
			e.faults = append(e.faults, f.n)
			plan = append(plan, f)
		}
		if available(seed) && desert.Float64() < desertedRate {
			f := fault{n: len(plan), at: at + time.Duration(desert.Int64N(int64(2*time.Second))), class: deserted.name, coin: desert.IntN(2) == 0,
				lasts: deserted.lo + time.Duration(desert.Int64N(int64(deserted.hi-deserted.lo))), episode: len(eps)}
			end = max(end, f.at+f.lasts)
			e.faults = append(e.faults, f.n)
			plan = append(plan, f)
		}
		e.quiet = end
		at = end + between(rest[0], rest[1])
		e.to = at
		eps = append(eps, e)
	}
	return plan, eps
}

// arrange puts the plan into the future; skip leaves faults out.
func (k *faults) arrange(plan []fault, eps []episode, skip map[int]bool) {
	k.plan, k.undo, k.struck, k.gaps, k.episode = plan, map[int]func(){}, map[string]int{}, map[string]time.Duration{}, eps
	for _, f := range plan {
		if skip[f.n] {
			continue
		}
		k.last = max(k.last, f.at+f.lasts)
		k.w.after(f.at-k.w.now, nil, func() { k.strike(f) })
		k.w.after(f.at+f.lasts-k.w.now, nil, func() { k.end(f.n) })
	}
}

func (k *faults) strike(f fault) {
	w := k.w
	h := w.hosts[f.host]
	if wr := w.writer(); f.writer && wr != nil {
		h = wr
	}
	f.host = h.n
	k.plan[f.n].host, k.plan[f.n].writer = h.n, w.writer() == h
	k.struck[f.class]++
	w.story("FAULT %d: %s on %s for %s", f.n, f.class, h.name, f.lasts.Round(time.Millisecond))
	undo := kindOf(f.class).apply(w, h, f)
	if undo == nil {
		undo = func() {}
	}
	k.undo[f.n] = undo
}

func (k *faults) end(n int) {
	if undo := k.undo[n]; undo != nil {
		delete(k.undo, n)
		k.w.story("fault %d ends", n)
		undo()
	}
}

func killed1(w *world, h *host, f fault) func() {
	h.db.die("kill -9")
	h.resting = max(h.resting, w.now+f.lasts)
	w.restarts(h, f.lasts)
	return nil
}

// restartedUnseen: mysqld is back before its agent, which stands still, looks again.
func restartedUnseen(w *world, h *host, f fault) func() {
	thaw := w.freeze(h.agent.proc)
	h.db.die("kill -9")
	w.restarts(h, f.lasts/2)
	return thaw
}

// bothRestarted: the agent is back within its lease and finds another mysqld.
func bothRestarted(w *world, h *host, f fault) func() {
	h.agent.stop()
	h.db.die("kill -9")
	w.restarts(h, f.lasts/2)
	return h.agent.start
}

func frozenServer(_ *world, h *host, _ fault) func() {
	m := h.db
	if m.inc == "" || m.hung {
		return nil
	}
	m.hung = true
	m.touch()
	inc := m.inc
	return func() {
		if m.inc == inc && m.hung {
			m.wake()
		}
	}
}

// wake lets a hung server go on: what was sent to it is carried out now.
func (m *mysqld) wake() {
	m.hung = false
	m.touch()
	queue := m.queue
	m.queue = nil
	for _, do := range queue {
		m.w().after(0, m.proc, do)
	}
}

func agentKilled(_ *world, h *host, _ fault) func() {
	h.agent.stop()
	return h.agent.start
}

func agentFrozen(_ *world, h *host, _ fault) func() { return h.w.freeze(h.agent.proc) }

// freeze lets a process stand still.
func (w *world) freeze(a *actor) func() {
	life := a.life
	a.frozen++
	return func() {
		if a.life == life && a.frozen > 0 {
			a.frozen--
			w.thawed()
		}
	}
}

// thawed lets all go on that is not frozen any more.
func (w *world) thawed() {
	for _, h := range w.hosts {
		for _, a := range []*actor{h.machine, h.db.proc, h.agent.proc} {
			if !a.stands() && len(a.backlog) > 0 {
				w.thaw(a)
			}
		}
		if m := h.db; !m.hung && !m.proc.stands() && len(m.queue) > 0 {
			m.wake()
		}
	}
}

func hostFrozen(w *world, h *host, _ fault) func() { return w.freeze(h.machine) }

func paused(w *world, h *host, f fault) func() {
	if h.paused || h.off {
		return nil
	}
	h.paused = true
	h.clock.stop(w.now)
	began := w.now
	thaw := w.freeze(h.machine)
	return func() {
		missed := time.Duration(0)
		if f.coin {
			missed = w.now - began
		}
		h.clock.start(w.now, missed)
		h.paused, h.excused = false, w.now+5*time.Second
		thaw()
	}
}

func powerLost(w *world, h *host, _ fault) func() {
	if h.off || h.paused {
		return nil
	}
	h.powerOff()
	return func() {
		h.off = false
		w.restarts(h, w.between(500*time.Millisecond, 2*time.Second))
		w.after(w.between(500*time.Millisecond, 2*time.Second), nil, h.agent.start)
	}
}

func cutEtcd(_ *world, h *host, _ fault) func() {
	h.cutTo.etcd++
	h.cutFrom.etcd++
	return func() { h.cutTo.etcd--; h.cutFrom.etcd-- }
}

func deafToEtcd(_ *world, h *host, _ fault) func() {
	h.cutFrom.etcd++
	return func() { h.cutFrom.etcd-- }
}

func muteToEtcd(_ *world, h *host, _ fault) func() {
	h.cutTo.etcd++
	return func() { h.cutTo.etcd-- }
}

func cutHost(_ *world, h *host, f fault) func() {
	h.cutTo.hosts[f.other]++
	if f.coin {
		h.cutFrom.hosts[f.other]++
	}
	return func() {
		h.cutTo.hosts[f.other]--
		if f.coin {
			h.cutFrom.hosts[f.other]--
		}
	}
}

func isolated(w *world, h *host, f fault) func() {
	change := func(by int) {
		h.cutTo.etcd += by
		h.cutFrom.etcd += by
		for _, o := range w.hosts {
			h.cutTo.hosts[o.n] += by
			h.cutFrom.hosts[o.n] += by
		}
		if f.coin { // its clients may be on its side
			h.cutTo.clients += by
			h.cutFrom.clients += by
		}
	}
	change(1)
	return func() { change(-1) }
}

func cutClients(_ *world, h *host, f fault) func() {
	h.cutTo.clients++
	if f.coin {
		h.cutFrom.clients++
	}
	return func() {
		h.cutTo.clients--
		if f.coin {
			h.cutFrom.clients--
		}
	}
}

func lossy(_ *world, h *host, _ fault) func() {
	h.lossRate = 0.3
	return func() { h.lossRate = 0 }
}

func slowWatch(w *world, h *host, _ fault) func() {
	h.agent.watch.slow = w.between(200*time.Millisecond, 2*time.Second)
	return func() { h.agent.watch.slow = 0 }
}

func etcdDown(w *world, _ *host, f fault) func() {
	w.etcd.silence(f.lasts, f.coin)
	return nil
}

func etcdSlow(w *world, _ *host, _ fault) func() {
	w.etcd.slow = true
	return func() { w.etcd.slow = false }
}

func slowReplica(w *world, h *host, _ fault) func() {
	h.db.slow = w.between(20*time.Millisecond, 500*time.Millisecond)
	return func() { h.db.slow = 0 }
}

func super(w *world, h *host, _ fault) func() {
	if w.writer() != h && h.db.up() { // on the writer it is nothing
		h.db.readOnly, h.db.byHand = false, true
		h.db.touch()
	}
	return nil
}

func setOffline(w *world, h *host, _ fault) func() {
	w.intent(h, topology.WantOffline)
	return func() { w.intent(h, topology.WantOnline) }
}

func switchover(w *world, _ *host, f fault) func() {
	w.order(topology.OrderSwitchover, w.hosts[f.other%3].name)
	return nil
}

func modes(w *world, _ *host, f fault) func() {
	m := topology.Manual
	if f.coin {
		m = topology.Passive
	}
	w.mode(m)
	return func() { w.mode(topology.Active) }
}
