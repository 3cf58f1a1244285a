package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// faults are what befalls the cluster as a whole.
var faults = map[string]func(*teller, []string) error{
	"tick": func(t *teller, args []string) error {
		d := lasting(args[0])
		t.w.look()
		t.w.now = t.w.now.Add(d)
		t.w.look()
		return nil
	},
	"outage":    outage,
	"ask":       ask,
	"etcd-back": etcdBack,
	"roomy":     func(t *teller, _ []string) error { t.w.roomy(); return nil },
	"vacant":    func(t *teller, _ []string) error { t.w.vacate(); return nil },
	// write N [reaches HOST...]: clients write; without a list all attached replicas get it.
	"write": func(t *teller, args []string) error {
		h, err := t.w.host(t.w.etcd.Writer.Value.Name)
		if err != nil {
			return err
		}
		return t.w.clients(h, number(args[0]), args[1:])
	},
	// went-back REV: etcd was restored from an old copy.
	"went-back": func(t *teller, args []string) error { t.w.etcd.Rev = Rev(number(args[0])); return nil },
	// recover: an operator has looked at an etcd that went back.
	"recover": func(t *teller, _ []string) error {
		var newest Entry[Reign]
		for _, h := range t.w.hosts {
			t.w.etcd.Rev = max(t.w.etcd.Rev, h.seen.Distrust.Seen)
			if h.seen.Distrust.Reign.Rev > newest.Rev {
				newest = h.seen.Distrust.Reign
			}
		}
		t.w.vacate()
		if newest.Rev > t.w.etcd.Reign.Rev {
			t.w.etcd.Reign = Entry[Reign]{Value: newest.Value, Rev: t.w.etcd.Rev}
		}
		t.w.etcd.Recovery = Entry[Recovered]{Value: Recovered{Who: "alice", Floor: t.w.etcd.Rev}, Rev: t.w.etcd.Rev}
		return nil
	},
	"settings": func(t *teller, args []string) error {
		o, err := options(args)
		if err != nil {
			return err
		}
		s := &t.w.etcd.Spec.Value
		s.Hosts = slices.Clone(s.Hosts)
		for k, v := range o {
			switch k {
			case "auto":
				s.Recovery.AutoSetOnline = Duration(lasting(v))
			case "rejoin":
				s.Recovery.Rejoin = RejoinPolicy(v)
			case "durability":
				s.Durability = Durability(v)
			case "prefer":
				s.Roles.Writer.Prefer = v
			case "without":
				s.Hosts = slices.DeleteFunc(s.Hosts, func(h HostSpec) bool { return h.Name == v })
			case "nofailover", "master":
				for i := range s.Hosts {
					if s.Hosts[i].Name == v && k == "master" {
						s.Hosts[i].Mode = Master
					} else if s.Hosts[i].Name == v {
						s.Hosts[i].Tags = []string{TagNoFailover}
					}
				}
			case "readers":
				s.Roles.Reader.VIPs = nil
				for vip := range strings.SplitSeq(v, ",") {
					s.Roles.Reader.VIPs = append(s.Roles.Reader.VIPs, addressOf(vip))
				}
			default:
				return fmt.Errorf("unknown setting %q", k)
			}
		}
		t.w.etcd.Spec.Rev = t.w.put()
		return nil
	},
	// reign ackers=db2,db3 w=1 closed=GTID|none voters=db1,db2: what the last writer wrote.
	"reign": func(t *teller, args []string) error {
		o, err := options(args)
		if err != nil {
			return err
		}
		r := t.w.etcd.Reign.Value
		for k, v := range o {
			switch k {
			case "ackers":
				r.Ackers = map[HostID]Incarnation{}
				for _, name := range names(v) {
					h, err := t.w.host(name)
					if err != nil {
						return err
					}
					r.Ackers[h.id] = h.inc
				}
			case "voters":
				r.Voters = nil
				for _, name := range names(v) {
					r.Voters = append(r.Voters, HostID("id-"+name))
				}
			case "w":
				r.W = number(v)
			case "closed":
				pos := position(v)
				r.Closed = &pos
			default:
				return fmt.Errorf("unknown field %q of reign", k)
			}
		}
		t.w.etcd.Reign = Entry[Reign]{Value: r, Rev: t.w.put()}
		return nil
	},
}

func names(list string) []string {
	if list == "" || list == "nobody" {
		return nil
	}
	return strings.Split(list, ",")
}

// clients writes n transactions on a host. "reaches db2 db3" says who gets
// them; the others lose their connection for good, but for the word "reaches" alone.
func (w *world) clients(h *host, n int, reaches []string) error {
	w.look()
	if !h.writable {
		return fmt.Errorf("%s is read-only", h.name)
	}
	if len(reaches) > 0 && reaches[0] != "reaches" {
		return fmt.Errorf("write N reaches HOST..., not %q", reaches[0])
	}
	for range n {
		w.write(h, fmt.Sprintf("0-%d-%d", h.server, end(h.log).Highest()+1))
	}
	if len(reaches) > 0 {
		for _, r := range w.hosts {
			if r.source == h.name && !slices.Contains(reaches, r.name) {
				r.reads = false
			}
		}
	}
	w.look()
	return nil
}

// hostFaults are what befalls a host.
var hostFaults = map[string]func(w *world, h *host, args []string) error{
	// die: mysqld is killed; the agent lives.
	"die": func(_ *world, h *host, _ []string) error { h.stopServer("mysqld is not running"); return nil },
	// hang: the process lives and does not answer.
	"hang": func(_ *world, h *host, _ []string) error { h.hung, h.why = true, "no answer for 500ms"; return nil },
	// restart: mysqld is back as another run, read-only, following nobody.
	"restart": func(_ *world, h *host, _ []string) error { h.startServer(); return nil },
	// lose: the host is cut off and its lease has ended; mysqld and agent run on, blind.
	"lose": func(w *world, h *host, _ []string) error { w.look(); w.expire(h); h.away = true; return nil },
	// vanish: the host is without power, and its lease has ended.
	"vanish": func(w *world, h *host, _ []string) error {
		w.look()
		w.expire(h)
		h.away, h.off, h.vips = true, true, nil
		h.stopServer("mysqld is not running")
		h.forget()
		return nil
	},
	// return: the host is reached again and its agent has a new lease.
	"return": func(_ *world, h *host, _ []string) error { h.grant(); return nil },
	// late: the agent could not renew in time; etcd has not noticed yet.
	"late": func(_ *world, h *host, _ []string) error { h.late = true; return nil },
	// renewed: and now it could.
	"renewed": func(_ *world, h *host, _ []string) error { h.late = false; return nil },
	// agent: the agent was restarted and remembers only what is on disk.
	"agent": func(_ *world, h *host, _ []string) error { h.forget(); return nil },
	// resumed: the same, but it found its reign again (R5).
	"resumed": func(_ *world, h *host, _ []string) error {
		term := h.term
		h.forget()
		h.seen.Shunned = []netip.Addr{{}}   // nobody knows whom the filter refuses
		h.term, h.seen.InDoubt = term, true // whether the one before had sent a put of reign, nobody knows
		return nil
	},
	// newdisk: an empty datadir bears the old name.
	"newdisk": func(w *world, h *host, _ []string) error {
		w.expire(h)
		h.log, h.done = nil, 0
		h.startServer()
		h.source, h.id, h.term = "", h.id+"-new", Term{}
		h.grant()
		return nil
	},
	// errant N: somebody with every privilege writes on this host, be it read-only.
	"errant": func(_ *world, h *host, args []string) error {
		if h.inc == "" || h.done < len(h.log) || h.writable {
			return fmt.Errorf("%s cannot be written to", h.name)
		}
		for range number(args[0]) {
			h.log = append(slices.Clone(h.log), fmt.Sprintf("0-%d-%d", h.server, end(h.log).Highest()+1))
		}
		h.done = len(h.log)
		return nil
	},
	// halfway: a rewind was interrupted.
	"halfway": func(_ *world, h *host, _ []string) error { h.halfway = true; return nil },
	// irreversible: what it wrote on its own cannot be undone.
	"irreversible": func(_ *world, h *host, _ []string) error { h.ddl = true; return nil },
	// bid: the host has bid what it has.
	"bid": func(w *world, h *host, _ []string) error {
		h.reads, h.linked = false, false
		w.bid(h, Bid{After: w.etcd.LastEpoch(), Name: h.name, Incarnation: h.inc})
		return nil
	},
	// claims VIP...: the host holds the claims and answers.
	"claims": func(w *world, h *host, args []string) error {
		for _, a := range args {
			vip := addressOf(a)
			for _, o := range w.hosts {
				o.vips = slices.DeleteFunc(slices.Clone(o.vips), func(v netip.Addr) bool { return v == vip })
			}
			w.etcd.Claims[vip] = Entry[Claim]{Value: Claim{ID: h.id, Name: h.name}, Rev: w.put(), Lease: h.lease}
			h.vips = append(h.vips, vip)
		}
		return nil
	},
	// key: the writer key names the host, but nobody in it won it.
	"key": func(w *world, h *host, _ []string) error {
		rev := w.put()
		w.etcd.Writer = Entry[Writer]{Value: Writer{ID: h.id, Name: h.name, Agent: "another"}, Rev: rev, Lease: h.lease}
		w.etcd.Phase = Entry[Phase]{}
		return nil
	},
	// has GTID...: what is in its log.
	"has": func(_ *world, h *host, args []string) error { h.log, h.done = args, len(args); return nil },
	// keeps GTID...: what it has besides.
	"keeps": func(_ *world, h *host, args []string) error {
		h.log = append(slices.Clone(h.log), args...)
		h.done = len(h.log)
		return nil
	},
	// key-of-old REV: etcd names the host as a writer of long ago.
	"key-of-old": func(w *world, h *host, args []string) error {
		w.etcd.Writer = Entry[Writer]{Value: Writer{ID: h.id, Name: h.name}, Rev: Rev(number(args[0])), Lease: h.lease}
		return nil
	},
	// blind: its watch stands still, but what it writes arrives.
	"blind":   func(w *world, h *host, _ []string) error { c := w.cluster(); h.watch = &c; return nil },
	"sighted": func(_ *world, h *host, _ []string) error { h.watch = nil; return nil },
	"busy": func(_ *world, h *host, args []string) error {
		h.busy = nil
		for _, a := range args {
			h.busy = append(h.busy, Kind(a))
		}
		return nil
	},
	// fail KIND: the last try did not work, a moment ago.
	"fail": func(w *world, h *host, args []string) error {
		h.seen.Failed[Kind(args[0])] = Failure{At: w.now, Why: strings.Join(args[1:], " ")}
		return nil
	},
	"forgets-cuts": func(_ *world, h *host, _ []string) error { h.seen.Cut = map[HostID]gtid.Set{}; return nil },
	"flapped": func(w *world, h *host, args []string) error {
		m := w.etcd.Memories[h.name]
		for i := range number(args[0]) {
			m.Value.Flaps = append(slices.Clone(m.Value.Flaps), w.now.Add(-time.Duration(i)*time.Minute))
		}
		m.Rev = w.put()
		w.etcd.Memories[h.name] = m
		return nil
	},
	// clients N: they write here, if the fence lets them, whoever is writer by now.
	"clients": func(w *world, h *host, args []string) error {
		if w.overdue(h) || h.off || h.inc == "" || h.hung {
			return fmt.Errorf("%s is closed", h.name)
		}
		return w.clients(h, number(args[0]), nil)
	},
	"set": setHost,
}

// setHost changes facts of a host: writable, waiting, slow, sql, io, semi, source, error, lag, problem, sees, port, delay, applied, version.
func setHost(_ *world, h *host, args []string) error {
	for i, a := range args {
		k, v, _ := strings.Cut(a, "=")
		yes := v == "yes"
		switch k {
		case "writable":
			h.writable, h.byHand = yes, yes && h.term.Epoch == 0
		case "stuck":
			h.stuck = yes
		case "waiting":
			h.waiting = number(v)
		case "slow":
			h.slow = yes
		case "sql":
			h.applies = yes
		case "delay":
			h.delay = lasting(v)
			h.slow = h.delay > 0
		case "applied": // the time that its delay asks for has passed
			h.done = len(h.log)
		case "version":
			h.version = v
		case "io":
			h.reads = yes
		case "semi":
			h.semi = yes
		case "counts":
			h.counts = yes
		case "deaf":
			h.deaf = yes
		case "away":
			h.away = yes
		case "prestart":
			h.prestart = yes
		case "ending":
			h.term.Ending = yes
		case "key":
			h.key = v
		case "port":
			h.port = Port(v)
		case "lease": // none: it is gone, and there is no other yet
			h.lease = 0
		case "unknown":
			h.seen.Unknown = Rev(number(v))
		case "top":
			h.seen.Top = Rev(number(v))
		case "epoch":
			h.seen.Epoch = Rev(number(v))
		case "offered":
			h.seen.Offered = []HostID{HostID("id-" + v)}
		case "in-doubt":
			h.seen.InDoubt = yes
		case "seen-rev":
			h.seen.Rev = Rev(number(v))
		case "lag":
			h.lag = nil
			if v != "unknown" {
				d := Duration(lasting(v))
				h.lag = &d
			}
		case "error":
			h.broken, h.applies = strings.Join(append([]string{v}, args[i+1:]...), " "), false
			return nil
		case "disk": // well, or failing or bad and the cause
			h.disk = Disk{Failing: strings.Join(args[i+1:], " "), Bad: v == "bad"}
			return nil
		case "problem":
			h.problems = []string{strings.Join(append([]string{v}, args[i+1:]...), " ")}
			return nil
		default:
			return fmt.Errorf("nothing sets %q", a)
		}
	}
	return nil
}

// orders are what an operator does.
var orders = map[string]func(*teller, []string) error{
	"mode": func(t *teller, args []string) error {
		m, err := ParseMode(args[0])
		t.w.etcd.Mode = Entry[ModeSetting]{Value: ModeSetting{Mode: m, Who: "alice"}, Rev: t.w.put()}
		return err
	},
	"set-offline": func(t *teller, args []string) error { return t.w.intent(args, WantOffline) },
	"set-online":  func(t *teller, args []string) error { return t.w.intent(args, WantOnline) },
	"pin": func(t *teller, args []string) error {
		t.w.etcd.Pins[addressOf(args[0])] = Entry[Pin]{Value: Pin{Host: args[1]}, Rev: t.w.put()}
		return nil
	},
	"unpin": func(t *teller, args []string) error {
		t.w.put()
		delete(t.w.etcd.Pins, addressOf(args[0]))
		return nil
	},
	"rejoin": func(t *teller, args []string) error {
		t.w.etcd.Rejoins = maps.Clone(t.w.etcd.Rejoins)
		t.w.etcd.Rejoins[args[0]] = Entry[RejoinOrder]{Value: RejoinOrder{How: RejoinPolicy(args[1])}, Rev: t.w.put()}
		return nil
	},
	"switchover": func(t *teller, args []string) error {
		return t.w.order(OrderSwitchover, args[0], t.w.etcd.Writer.Rev)
	},
	// router NAME holds nothing|this|another: it says that it is there, and for which
	// order it holds statements; router NAME gone: its lease has ended.
	"router": func(t *teller, args []string) error { return t.w.router(args[0], args[len(args)-1]) },
	"elect":  func(t *teller, args []string) error { return t.w.order(OrderElect, args[0], 0) },
	"init":   func(t *teller, args []string) error { return t.w.order(OrderInit, args[0], 0) },
	// failover HOST: the operator accepts to lose what is missing now.
	"failover": func(t *teller, args []string) error { return t.w.failover(args[0]) },
	// step STEP: the order is at that step.
	"step": func(t *teller, args []string) error {
		s := t.w.etcd.Switchover
		s.Value.Step, s.Rev = SwitchStep(args[0]), t.w.put()
		t.w.etcd.Switchover = s
		return nil
	},
}

func (w *world) intent(args []string, want Want) error {
	all := maps.Clone(w.etcd.Intents)
	all[args[0]] = Entry[Intent]{Value: Intent{Want: want, Who: "alice", Since: w.now}, Rev: w.put()}
	w.etcd.Intents = all
	return nil
}

// order places an order, as mmmctl does: never over one that is open.
func (w *world) order(kind OrderKind, target string, epoch Rev) error {
	if w.etcd.Switchover.Value.Step.Open() {
		return fmt.Errorf("the order to %s is still open", w.etcd.Switchover.Value.Target)
	}
	s := Switchover{Kind: kind, Target: target, Step: Asked, Epoch: epoch, Who: "alice", Asked: w.now, Deadline: w.now.Add(30 * time.Second)}
	w.etcd.Switchover = Entry[Switchover]{Value: s, Rev: w.put()}
	return nil
}

// router puts what a router says that it holds.
func (w *world) router(name, what string) error {
	orders := map[string]Rev{"nothing": 0, "this": w.etcd.Switchover.Rev, "another": 1}
	order, says := orders[what]
	w.etcd.Holds = maps.Clone(w.etcd.Holds)
	switch {
	case says:
		w.etcd.Holds[name] = Entry[RouterHold]{Value: RouterHold{Name: name, Order: order}, Rev: w.put()}
	case what == "gone":
		w.put()
		delete(w.etcd.Holds, name)
	default:
		return fmt.Errorf("a router holds nothing, this or another, or is gone; not %q", what)
	}
	return nil
}
