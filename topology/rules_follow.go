package topology

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// stuckAfter is how long somebody may wait on the writer, a nudge included,
// before an acker re-attaches.
const stuckAfter = time.Second

// Stuck reports whether sessions on this writer have waited so long that its
// own nudge cannot have helped them.
func (v *View) Stuck() bool { return v.reigns() && v.waits(stuckAfter) }

// waits reports whether somebody has waited for an acknowledgement for longer than
// that. A server that does not answer says nothing of who waits: of one that hangs,
// the last reading may show a commit that was on its way, and replicas that attach
// anew to such a server have no time to bid.
func (v *View) waits(longer time.Duration) bool {
	return !v.Probe.Missed && !v.Seen.Waiting.IsZero() && v.Now.Sub(v.Seen.Waiting) > longer
}

// followRules keep a host that is not writer a good replica of the one that is.
var followRules = []Rule{
	{
		Name: "leave-source", Last: true,
		Doc:  "A host that is no longer writer turns semi-sync off as a source before it becomes a replica.",
		When: when("another host is the writer", func(v *View) bool { return v.replica() && v.Probe.SemiSource && v.Probe.ReadOnly }),
		Then: do(Action{Kind: LeaveSource}),
	},
	{
		Name: "run-sql",
		Doc:  "A stopped SQL thread is started while the IO thread still lives; with both stopped the start would drop the relay log.",
		When: when("the SQL thread is stopped and nothing is wrong with it", func(v *View) bool {
			r := v.Probe.Replication // an IO thread that has lost its source and tries on lives, too
			lives := r.IO == "Yes" || r.IO == "Connecting" || r.IO == "Preparing"
			return v.Probe.Up && r.Configured && lives && !r.SQL && !strings.Contains(r.Error, sqlError) && v.Term.Epoch == 0 && !v.Probe.Unfinished
		}),
		Then: do(Action{Kind: StartSQL}),
	},
	{
		Name: "apply-before-follow",
		Doc:  "The relay log is applied before the host is pointed elsewhere, because pointing it drops what is not applied (R40).",
		When: func(v *View) (string, bool) {
			return fmt.Sprintf("received %s, applied %s", v.Probe.Received, v.Probe.Applied), v.astray() && !v.Probe.Applied.Contains(v.Probe.Received)
		},
		Then: func(v *View) []Action {
			h, _ := v.Cluster.Spec.Value.Host(v.Cluster.Writer.Value.Name)
			return one(Action{Kind: WaitApplied, Position: v.Probe.Received, Addr: h.Address, Port: h.ReplicationPort})
		},
	},
	{
		Name: "follow",
		Doc:  "The writer counts on this host, and it does not replicate from it: it is pointed there, acknowledging, its bid withdrawn first (R22, R29, R37).",
		When: func(v *View) (string, bool) {
			return "the writer is " + v.Cluster.Writer.Value.Name, v.astray() && v.counted() && v.Probe.Applied.Contains(v.Probe.Received)
		},
		Then: func(v *View) []Action {
			h, _ := v.Cluster.Spec.Value.Host(v.Cluster.Writer.Value.Name)
			a := Action{Kind: Follow, Epoch: v.Cluster.Epoch(), Host: h.Name, Addr: h.Address, Port: h.ReplicationPort}
			if b, ok := v.Cluster.Bids[v.ID]; ok {
				a.Bid, a.BidRev = &b.Value, b.Rev
			}
			return one(a)
		},
	},
	{
		Name: "acknowledge",
		Doc:  "A host is attached and acknowledges exactly while the writer counts on it: in the acker set as this very mysqld, or while a reign opens (R22, R37, R39). One that is just being attached will acknowledge; to attach it once more in the middle of a transaction has torn a relay log (error 1866).",
		When: func(v *View) (string, bool) {
			why := "the writer does not count on this host"
			if v.counted() {
				why = "the writer counts on this host"
			}
			return why, v.replica() && v.open2follow() && v.Probe.Replication.Semi != v.counted() && !(v.counted() && (v.astray() || v.busy(Follow)))
		},
		Then: func(v *View) []Action {
			return one(Action{Kind: SetSemi, Epoch: v.Cluster.Epoch(), On: v.counted()})
		},
	},
	{
		Name: "reattach",
		Doc:  "Sessions wait on the writer for ever, because the ackers had their writes before they attached: an acker with nothing left to apply attaches once by file and position (R27).",
		When: when("sessions on the writer wait for what this host has already", func(v *View) bool {
			r := v.Probe.Replication
			return v.replica() && !v.astray() && v.counted() && r.Semi && r.Attached && r.SQL &&
				v.Probe.Applied.Contains(v.Probe.Received) && v.Cluster.Hosts[v.Cluster.Writer.Value.ID].Value.Stuck
		}),
		Then: func(v *View) []Action { return one(Action{Kind: Reattach, Epoch: v.Cluster.Epoch()}) },
	},
}

// replica reports whether this host should replicate from somebody.
func (v *View) replica() bool { return v.canReplicate() && !v.Probe.Unfinished }

func (v *View) canReplicate() bool {
	w := v.Cluster.Writer
	return v.Probe.Up && v.Term.Epoch == 0 && w.Present() && w.Value.ID != v.ID
}

// open2follow reports whether the writer is far enough for replicas to attach.
func (v *View) open2follow() bool { return v.phase() != CatchingUp }

// source is the listener of the writer.
func (v *View) source() string {
	h, _ := v.Cluster.Spec.Value.Host(v.Cluster.Writer.Value.Name)
	return listener(h)
}

// listener is where replicas find a host, as they report it.
func listener(h HostSpec) string { return fmt.Sprintf("%s:%d", h.Address, h.ReplicationPort) }

// astray reports whether this host should be pointed at the writer: it follows
// somebody else, or its IO thread was stopped (not broken: an error stays for
// an operator to see). What a stopped thread last said may be no more than that
// it had lost its source, for which no thread ever stops; and while a bid stands
// it was the bid that stopped it. So may what it said of a source that has it again
// by now. A writer that this host still rejects as a
// deposed one is let in the same way.
func (v *View) astray() bool {
	if !v.replica() || !v.open2follow() || !v.Probe.ReadOnly || v.Probe.SemiSource || v.busy(Follow, StopForOrder, Rewind) || v.ordered() || v.judgement().Bad() {
		return false
	}
	if _, lost := GivenUp(v.Cluster, v.ID); lost {
		return false // what it holds is looked at before it is pointed anywhere
	}
	r := v.Probe.Replication
	_, bid := v.Cluster.Bids[v.ID]
	own, _ := v.own()
	stopped := r.IO == "No" && (bid || !broke(r.Error) || stale(v.Cluster, own))
	w, _ := v.Cluster.Spec.Value.Host(v.Cluster.Writer.Value.Name)
	barred := w.Address.IsValid() && v.Seen.Rejected == w.Address
	return !r.Configured || r.Source != v.source() || stopped || barred
}

// ordered reports whether this host stopped its IO thread for a switchover
// that still runs.
func (v *View) ordered() bool {
	s, ok := openOrder(v.Cluster, OrderSwitchover)
	return ok && s.Target == v.Self && s.Epoch == v.Cluster.Epoch() && s.Step != Asked
}

// counted reports whether the writer counts on this host's acknowledgements.
func (v *View) counted() bool {
	r := v.Cluster.Reign.Value
	if _, lost := GivenUp(v.Cluster, v.ID); lost {
		return false
	}
	if r.Epoch < v.Cluster.Epoch() {
		return v.phase() == Opening
	}
	me, live := v.Cluster.Hosts[v.ID]
	same := live && me.Value.Incarnation == v.Probe.Incarnation
	if _, alone := Alone(v.Cluster); alone {
		return same && suitor(v.Cluster) == v.ID // the writer begins to wait when it is attached (R22)
	}
	return v.Probe.Incarnation != "" && (r.Ackers[v.ID] == v.Probe.Incarnation || same && heir(v.Cluster) == v.ID)
}

// ioError is how a report begins to tell what the IO thread died of.
const ioError = "IO thread: error "

// lostPlace is what a source says whose binlog became shorter than the file and
// position that an acker attached by (R27). Attaching so means that everything
// received was applied, so it speaks of the source, not of this host.
const lostPlace = "from impossible position"

// unspoken is what an IO thread dies of when its connection was cut between what it
// said of itself and its asking for the binlog: it connects again by itself without
// saying it once more, and gets packets that are not semi-sync's (seen with 10.11).
// None of them was taken, so it may be pointed there anew.
const unspoken = "'after_read_event' hook"

// broke reports whether a replication error is one that ends an IO thread. An
// error of the client library (2000 and up), or of a source that is full, stops
// or loses the connection, only makes it try again.
func broke(err string) bool {
	_, io, found := strings.Cut(err, ioError)
	number, _, _ := strings.Cut(io, ":")
	if strings.Contains(io, lostPlace) || strings.Contains(io, unspoken) {
		return false
	}
	passing := strings.HasPrefix(number, "2") || slices.Contains([]string{"1040", "1053", "1158", "1159", "1160", "1161", "1927"}, number)
	return found && !passing
}

// sqlError is how a report begins to tell what the SQL thread died of.
const sqlError = "SQL thread: error "

// Broken is the error that ended a replication thread for good, or nothing. A
// host that has one holds what its source does not, or cannot apply what it was
// sent: what it says it has received cannot be relied on.
func Broken(r Replication) string {
	if (r.IO == "No" && broke(r.Error)) || (!r.SQL && strings.Contains(r.Error, sqlError)) {
		return r.Error
	}
	return ""
}

// outOfOrder is the SQL thread's error when this host has writes of its own.
const outOfOrder = sqlError + "1950"

// unproven is the error after which a host's position is no measure of what it
// holds, or nothing. A SQL thread that stopped for another cause leaves the
// received relay log as good as it was.
func unproven(r Replication) string {
	if err := Broken(r); broke(err) || strings.Contains(err, outOfOrder) {
		return err
	}
	return ""
}

// Diverged reports whether a replication error says that the replica holds
// what its source does not have.
func Diverged(err string) bool {
	return strings.Contains(err, "1236") && (strings.Contains(err, "not in the master's binlog") || strings.Contains(err, "missing the GTID"))
}
