package topology

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology/gtid"
)

// turn lets a host decide on a reading of etcd and carries out the first action
// of every lane, as an agent does. It tells what it did and what did not work.
func (w *world) turn(h *host, c Cluster, tell func(Action, error)) int {
	if h.off {
		return 0
	}
	n, taken := 0, map[Lane]bool{}
	for _, a := range w.decide(h, c) {
		if taken[a.Kind.Lane()] {
			continue
		}
		taken[a.Kind.Lane()] = true
		n++
		err := w.do(h, a)
		if err == nil {
			delete(h.seen.Failed, a.Kind)
		} else {
			h.seen.Failed[a.Kind] = Failure{At: w.now, Why: err.Error(), Unit: a.Unit()}
		}
		tell(a, err)
	}
	return n
}

// decide is Decide, with every row that held told to the listener.
func (w *world) decide(h *host, c Cluster) []Action {
	v := w.view(h, c)
	w.asked(c)
	for _, x := range Explain(v) {
		if x.Holds {
			w.told(x)
		}
	}
	return Decide(v)
}

// do carries out one action, with the guards that etcd would check.
func (w *world) do(h *host, a Action) error {
	if h.frozen != nil && a.Kind.Lane() != LaneFence {
		return errors.New("etcd is out of reach")
	}
	switch a.Kind.Lane() {
	case LaneFence:
		return w.doFence(h, a)
	case LaneRecord:
		return w.doRecord(h, a)
	case LaneVIP:
		return w.doVIP(h, a)
	case LaneClone:
		return w.doClone(h, a)
	case LaneRow:
		seq := end(h.log).Highest() + 1
		if a.Kind == WriteRow {
			seq = a.Jump
		}
		t := fmt.Sprintf("0-%d-%d", h.server, seq)
		if a.Kind == WriteRow {
			w.rows[t] = EpochRow{Cluster: "cluster-1", Epoch: a.Epoch, ID: h.id, GTID: position(t)}
		}
		w.write(h, t)
		for _, o := range w.hosts {
			o.deaf = o.deaf && a.Kind != Nudge
		}
		return nil
	default:
		return w.doServer(h, a)
	}
}

// write appends a transaction, which waits until somebody acknowledges it.
func (w *world) write(h *host, t string) {
	h.log = append(slices.Clone(h.log), t)
	h.done++
	switch {
	case h.counts:
		h.waiting++
	case !h.byHand: // what a person with all rights writes on a replica, nobody was promised
		w.acked[t] = true
	}
}

func (w *world) doFence(h *host, a Action) error {
	h.vips, h.writable, h.byHand = nil, false, false
	h.port = h.moved(PortClosed)
	if h.waiting > 0 {
		h.stopServer("mysqld was killed: somebody waited for an acknowledgement")
	}
	if a.Kind == Demote {
		return nil
	}
	if w.etcd.Writer.Rev == a.Epoch && h.frozen == nil {
		w.vacate()
		h.seen.Rev, h.seen.Ended = w.etcd.Rev, a.Epoch
	}
	h.term = Term{}
	return nil
}

func (w *world) doRecord(h *host, a Action) error {
	switch a.Kind {
	case Remember:
		if w.etcd.Memories[h.name].Rev != a.Guards.Memory {
			return errGuard
		}
		h.seen.Rev = w.put()
		w.etcd.Memories[h.name] = Entry[Memory]{Value: *a.Memory, Rev: w.etcd.Rev}
	case PutReign:
		if w.etcd.Writer.Rev != a.Epoch || w.etcd.Reign.Rev != a.Guards.Reign {
			return errGuard
		}
		h.seen.Rev, h.seen.InDoubt = w.put(), false
		w.etcd.Reign = Entry[Reign]{Value: *a.Reign, Rev: w.etcd.Rev}
	case LoseTrust:
		if d := *a.Distrust; d.Older(w.etcd, a.Epoch) {
			d.At = w.etcd.Rev
			h.seen.Distrust = d
		}
	case Trust:
		h.seen.Distrust, h.seen.Top, h.seen.Rev = Distrust{}, w.etcd.Rev, 0
	case Settle:
		return w.advance(h, a, *a.Order)
	case Bury:
		return w.bury(h, a)
	case SetShun:
		w.stillCut(h, a.Shun)
	case EndRejoin:
		delete(w.etcd.Rejoins, h.name)
		h.seen.Rev = w.put()
	case CutAcker:
		w.stillCut(h, a.Shun)
		h.seen.Cut[a.HostID] = end(h.log[:h.done])
	default:
		return fmt.Errorf("no hand for %s", a.Kind)
	}
	return nil
}

// stillCut sets who is shut out; who was not before, or no longer is, is cut anew.
func (w *world) stillCut(h *host, shun []netip.Addr) {
	maps.DeleteFunc(h.seen.Cut, func(id HostID, _ gtid.Set) bool {
		return slices.ContainsFunc(w.hosts, func(o *host) bool {
			return o.id == id && !(slices.Contains(shun, o.address) && slices.Contains(h.seen.Shunned, o.address))
		})
	})
	h.seen.Shunned = shun
}

// advance writes the next step of an order.
func (w *world) advance(h *host, a Action, order Switchover) error {
	if w.etcd.Writer.Rev != a.Epoch || w.etcd.Switchover.Rev != a.Guards.Order {
		return errGuard
	}
	h.seen.Rev = w.put()
	w.etcd.Switchover = Entry[Switchover]{Value: order, Rev: w.etcd.Rev}
	return nil
}

func (w *world) doVIP(h *host, a Action) error {
	switch a.Kind {
	case ClaimVIP:
		vip := a.VIPs[0]
		if _, held := w.etcd.Claims[vip]; held {
			return errGuard
		}
		h.seen.Rev = w.put()
		w.etcd.Claims[vip] = Entry[Claim]{Value: Claim{ID: h.id, Name: h.name}, Rev: w.etcd.Rev, Lease: h.lease}
	case GiveUpVIP:
		h.vips = slices.DeleteFunc(slices.Clone(h.vips), func(v netip.Addr) bool { return v == a.VIPs[0] })
		h.seen.Rev = w.put()
		delete(w.etcd.Claims, a.VIPs[0])
	case SetVIPs:
		h.vips = a.VIPs
	case OpenReaders:
		h.port = PortUnlimited
	case ClosePort:
		h.port = PortClosed
	default:
		return fmt.Errorf("no hand for %s", a.Kind)
	}
	return nil
}

func (w *world) doServer(h *host, a Action) error {
	if a.Kind == ReplaceData {
		return w.replace(h, a)
	}
	if (h.inc == "" || h.hung) && a.Kind != Adopt && a.Kind != Campaign {
		return errors.New("mysqld does not answer")
	}
	switch a.Kind {
	case PlaceBid:
		h.reads, h.linked, h.seen.Shunned = false, false, nil
		w.bid(h, *a.Bid)
	case Fetch:
		return w.fetch(h, a)
	case Replay:
		return w.replay(h, a)
	case Campaign:
		return w.campaign(h, a)
	case Retake:
		return w.retake(h, a)
	case WaitApplied:
		if !h.applies || h.slow || h.broken != "" {
			return errors.New("it is not applied yet")
		}
		h.done = len(h.log)
	case BecomeSource:
		h.delay = 0
		h.source, h.reads, h.linked, h.applies, h.semi, h.counts = "", false, false, false, false, true
		h.seen.Shunned = nil
	case SetSource:
		h.counts, h.seen.Guard, h.seen.GuardOf = a.On, gtid.Set{}, a.HostID
		if a.On {
			h.seen.Guard = end(h.log[:h.done])
		} else {
			h.waiting = 0
			w.acknowledge(h)
		}
	case LeaveSource:
		h.counts = false
	case Follow:
		delete(w.etcd.Bids, h.id)
		w.put()
		h.log = slices.Clone(h.log[:h.done])
		h.source, h.reads, h.applies, h.semi, h.broken, h.delay = a.Host, true, true, true, "", 0
		h.seen.Asked = a.Epoch
	case StartSQL:
		h.applies = true
	case Rewind:
		return w.rewind(h, a)
	case SetSemi:
		h.semi, h.reads = a.On, h.reads && a.On
	case Reattach:
		from, err := w.host(w.etcd.Writer.Value.Name)
		if err != nil {
			return err
		}
		from.waiting, from.stuck = 0, false
	default:
		return w.doReign(h, a)
	}
	return nil
}

// doReign carries out what only a writer, or one to be, does.
func (w *world) doReign(h *host, a Action) error {
	switch a.Kind {
	case Adopt:
		h.term = Term{Epoch: a.Epoch, Incarnation: h.inc}
		return w.phase(h, a.Epoch, Phase{Epoch: a.Epoch, Step: CatchingUp, Incarnation: h.inc})
	case PutPhase:
		return w.phase(h, a.Epoch, *a.Phase)
	case OpenDoor:
		for t := range w.acked {
			if !slices.Contains(h.log[:h.done], t) {
				w.lost = append(w.lost, fmt.Sprintf("%s opened without %s", h.name, t))
			}
		}
		h.seen.Shunned, h.writable, h.vips, h.port = a.Shun, true, a.VIPs, h.moved(PortTimed)
		return w.phase(h, a.Epoch, *a.Phase)
	case Drain:
		h.vips = slices.DeleteFunc(slices.Clone(h.vips), func(v netip.Addr) bool { return slices.Contains(a.VIPs, v) })
		h.writable = false
		order := *a.Order
		order.Position = end(h.log[:h.done])
		h.seen.Drained = w.now
		return w.advance(h, a, order)
	case StopForOrder:
		h.reads, h.linked = false, false
		return w.advance(h, a, *a.Order)
	case HandOver:
		return w.handOver(h, a)
	case Undo:
		h.seen.Drained = time.Time{}
		return w.advance(h, a, *a.Order)
	default:
		return fmt.Errorf("no hand for %s", a.Kind)
	}
}

func (w *world) phase(h *host, epoch Rev, p Phase) error {
	if w.etcd.Writer.Rev != epoch {
		return errGuard
	}
	h.seen.Rev = w.put()
	w.etcd.Phase = Entry[Phase]{Value: p, Rev: w.etcd.Rev, Lease: h.lease}
	return nil
}

func (w *world) bid(h *host, b Bid) {
	b.Received = end(h.log)
	h.seen.Rev = w.put()
	w.etcd.Bids[h.id] = Entry[Bid]{Value: b, Rev: w.etcd.Rev, Lease: h.lease}
}

func (w *world) fetch(h *host, a Action) error {
	delete(w.etcd.Bids, h.id)
	w.put()
	from, err := w.host(a.Host)
	if err != nil {
		return err
	}
	h.source, h.log = a.Host, slices.Clone(from.log)
	h.done = len(h.log)
	w.bid(h, *a.Bid)
	return nil
}

func (w *world) campaign(h *host, a Action) error {
	c, g := w.etcd, a.Guards
	holds := !c.Writer.Present() && c.Reign.Rev == g.Reign && c.Spec.Rev == g.Spec && c.Mode.Rev == g.Mode &&
		c.Intents[h.name].Rev == g.Intent && c.Switchover.Rev == g.Order
	for id, rev := range g.Bids {
		holds = holds && c.Bids[id].Rev == rev
	}
	if !holds {
		return errGuard
	}
	epoch := w.put()
	w.giveUp(a, epoch)
	w.etcd.Writer = Entry[Writer]{Value: Writer{ID: h.id, Name: h.name, Best: a.Position, Previous: a.Epoch, Agent: "agent-" + h.name}, Rev: epoch, Lease: h.lease}
	w.etcd.Phase = Entry[Phase]{Value: Phase{Epoch: epoch, Step: CatchingUp, Incarnation: h.inc}, Rev: epoch, Lease: h.lease}
	h.term = Term{Epoch: epoch, Incarnation: h.inc}
	h.seen.Rev, h.seen.Epoch, h.seen.Cut, h.seen.Acked, h.seen.Shunned = epoch, epoch, map[HostID]gtid.Set{}, time.Time{}, nil
	return nil
}

func (w *world) handOver(h *host, a Action) error {
	if w.etcd.Writer.Rev != a.Epoch || w.etcd.Switchover.Rev != a.Guards.Order {
		return errGuard
	}
	epoch := w.put()
	w.etcd.Writer = Entry[Writer]{Value: Writer{ID: a.HostID, Name: a.Host, Best: a.Position, Previous: a.Epoch}, Rev: epoch, Lease: a.Lease}
	w.etcd.Phase = Entry[Phase]{}
	w.etcd.Switchover = Entry[Switchover]{Value: *a.Order, Rev: epoch}
	h.seen.Rev, h.term = epoch, Term{}
	return nil
}
