package topology

import (
	"fmt"
	"time"
)

// State is one of MMM's six host states. It is computed by everybody from the
// same facts and never stored.
type State string

// MMM's states, worst last.
const (
	Online           State = "ONLINE"
	ReplicationDelay State = "REPLICATION_DELAY"
	ReplicationFail  State = "REPLICATION_FAIL"
	AwaitingRecovery State = "AWAITING_RECOVERY"
	AdminOffline     State = "ADMIN_OFFLINE"
	HardOffline      State = "HARD_OFFLINE"
)

// Reason is one English sentence: what was found, against which limit.
type Reason string

// The names of MMM's checks.
const (
	CheckPing    = "ping"
	CheckMySQL   = "mysql"
	CheckThreads = "rep_threads"
	CheckBacklog = "rep_backlog"
)

// StateRule is one row of the table that Classify walks; docs/states.md is made from it.
type StateRule struct {
	Name  string
	State State
	Doc   string // for the generated page
	when  func(h hostFacts) (Reason, bool)
}

// hostFacts is what a state rule may look at.
type hostFacts struct {
	cluster Cluster
	spec    HostSpec
	report  Report
	id      HostID
	alive   bool // its lease lives
	writer  bool // it holds the writer key
	intent  Entry[Intent]
	memory  Entry[Memory]
	now     time.Time
}

// StateRules is the table: the first row that matches is the state.
var StateRules = []StateRule{
	{"set-offline", AdminOffline, "An operator took the host out with `set-offline`; only `set-online` brings it back.", func(h hostFacts) (Reason, bool) {
		i := h.intent.Value
		return Reason("an operator set it offline" + by(i.Who, i.Why)), h.intent.Present() && i.Want != WantOnline
	}},
	{"no-lease", HardOffline, "The agent's lease in etcd has ended: the host, its agent or its way to etcd is gone.", func(h hostFacts) (Reason, bool) {
		return "its agent holds no lease in etcd: the host, the agent or the network is down", !h.alive
	}},
	{"mysqld-down", HardOffline, "The agent lives and says that mysqld is dead or does not answer.", func(h hostFacts) (Reason, bool) {
		why := h.spec.Server() + " is down: " + h.report.MySQL.Why
		if h.report.Disk.Bad { // what it waits for; a replica that cannot write its relay log answers nobody
			why += "; " + h.report.Disk.Why()
		}
		return Reason(why + h.repairing()), !h.report.MySQL.Up
	}},
	{"writer", Online, "The writer is ONLINE as long as its mysqld answers; replication checks do not apply to it.", func(h hostFacts) (Reason, bool) {
		return "it is the writer", h.writer
	}},
	{"given-up", AwaitingRecovery, "An operator gave up what this host alone held (`failover --accept-loss`): it comes back only by a verdict.", func(h hostFacts) (Reason, bool) {
		t, lost := GivenUp(h.cluster, h.id)
		if !lost {
			return "", false
		}
		return Reason(fmt.Sprintf("the end of epoch %d was given up without it: it may hold acknowledged writes that nobody else has (after %s); look at them, then `mmmctl set-online %s`",
			t.Epoch, orNothing(t.Loss.Kept), h.spec.Name)), true
	}},
	{"disk", ReplicationFail, "The file system of its datadir takes no writes: it is full, stalled, read-only or broken.", func(h hostFacts) (Reason, bool) {
		return Reason(h.report.Disk.Why()), h.report.Disk.Bad
	}},
	{"unmanageable", ReplicationFail, "The server's settings forbid managing it; the reason names the setting.", func(h hostFacts) (Reason, bool) {
		return Reason(h.report.Unable), h.report.Unable != ""
	}},
	{"parted", AwaitingRecovery, "The host cannot follow the writer as it is: it holds what the writer never had (DIVERGED), or lacks what can be read nowhere any more (SHORT). The reason says what is done about it, or why nothing is.", func(h hostFacts) (Reason, bool) {
		j := Judge(h.cluster, h.spec.Name)
		if !j.Bad() {
			return "", false
		}
		return h.parted(j), true
	}},
	{"replaced", AwaitingRecovery, "The data of the host are being replaced by a copy of another one; nobody counts on it meanwhile.", func(h hostFacts) (Reason, bool) {
		r := h.report.Repair
		return Reason("its data are being replaced" + h.repairing()), r != nil && r.Away
	}},
	{"threads", ReplicationFail, "Replication is down: a thread is stopped, cannot connect, or follows the wrong host (`rep_threads`).", func(h hostFacts) (Reason, bool) {
		c := h.check(CheckThreads)
		return Reason("replication is down: " + c.Message), !c.OK
	}},
	{"restarted", AwaitingRecovery, "mysqld was restarted (or the host is new) and nobody has cleared it yet.", func(h hostFacts) (Reason, bool) {
		if h.memory.Value.Cleared == h.report.Incarnation {
			return "", false
		}
		return h.awaiting(), true
	}},
	{"backlog", ReplicationDelay, "The host lags behind the writer, or its lag is unknown (`rep_backlog`).", func(h hostFacts) (Reason, bool) {
		c := h.check(CheckBacklog)
		return Reason("replication lags: " + c.Message), !c.OK
	}},
	{"well", Online, "Everything is well.", func(h hostFacts) (Reason, bool) { return Reason("all checks are good" + h.doing()), true }},
}

// Classify computes the state of a host, and why, from what the cluster says of
// it. Every agent, router and mmmctl gets the same answer from the same Cluster.
func Classify(c Cluster, name string, now time.Time) (State, Reason) {
	h := factsOf(c, name, now)
	for _, r := range StateRules {
		if why, ok := r.when(h); ok {
			return r.State, why
		}
	}
	panic("topology: StateRules has no last row that always matches")
}

func factsOf(c Cluster, name string, now time.Time) hostFacts {
	h := hostFacts{cluster: c, now: now, intent: c.Intents[name], memory: c.Memories[name]}
	h.spec, _ = c.Spec.Value.Host(name)
	h.report, h.id, h.alive = c.ReportOf(name)
	h.writer = h.alive && c.Writer.Present() && c.Writer.Value.ID == h.id
	return h
}

// check finds a check of the host's report; one that was never made counts as
// bad only when the host has had time to make it, so it is bad with a reason.
func (h hostFacts) check(name string) Check {
	for _, c := range h.report.Checks {
		if c.Name == name {
			return c
		}
	}
	return Check{Name: name, Message: "not checked yet"}
}

// awaiting says what the host waits for and what an operator can do about it.
func (h hostFacts) awaiting() Reason {
	m, auto := h.memory.Value, h.cluster.Spec.Value.Recovery.AutoSetOnline.D()
	why := m.Why
	if why == "" || m.Seen != h.report.Incarnation {
		why = "mysqld was restarted"
	}
	if h.flapping() {
		return Reason(fmt.Sprintf("%s, and it flaps: %d times within %s; `mmmctl set-online %s` brings it back", why, len(m.Flaps), h.cluster.Spec.Value.Recovery.FlapDuration, h.spec.Name))
	}
	if auto == 0 {
		return Reason(fmt.Sprintf("%s; `mmmctl set-online %s` brings it back", why, h.spec.Name))
	}
	return Reason(fmt.Sprintf("%s; ONLINE by itself after %s of good replication, or at once by `mmmctl set-online %s`", why, auto, h.spec.Name))
}

// parted says what keeps the host from following, and what becomes of it.
func (h hostFacts) parted(j Judgement) Reason {
	out := j.text() + h.repairing()
	r := h.report.Repair
	if j.Standing == Short && (r == nil || r.Doing == "" && r.Refused == "") {
		out += "; it needs a copy of another host"
	}
	return Reason(out)
}

// doing is repairing of a host that is well: why it does nothing is of no interest.
func (h hostFacts) doing() string {
	if r := h.report.Repair; r == nil || r.Doing == "" {
		return ""
	}
	return h.repairing()
}

// repairing says what a host does to come back, or why it does nothing.
func (h hostFacts) repairing() string {
	switch r := h.report.Repair; {
	case r == nil:
		return ""
	case r.Doing != "" && r.Since.IsZero():
		return "; it " + r.Doing
	case r.Doing != "":
		return "; it " + r.Doing + ": " + Progress(r.Bytes, r.Total, r.Since, h.now)
	case r.Refused != "":
		return "; not repaired by itself: " + r.Refused
	default:
		return ""
	}
}

// flapping reports whether the host left ONLINE too often of late.
func (h hostFacts) flapping() bool {
	r := h.cluster.Spec.Value.Recovery
	if r.FlapCount == 0 {
		return false
	}
	n := 0
	for _, t := range h.memory.Value.Flaps {
		if h.now.Sub(t) < r.FlapDuration.D() {
			n++
		}
	}
	return n > r.FlapCount
}

func by(who, why string) string {
	out := ""
	if who != "" {
		out += " (" + who + ")"
	}
	if why != "" {
		out += ": " + why
	}
	return out
}
