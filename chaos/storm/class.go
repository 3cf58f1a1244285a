package storm

import (
	"context"
	"time"
)

// place is where a fault strikes, by role and not by name.
type place string

// The places.
const (
	onWriter  place = "the writer"
	onMaster  place = "the host that may be writer and is not"
	onReplica place = "a host that never is writer"
	onLeader  place = "the host of etcd's leader"
	onMember  place = "another etcd member"
	onAll     place = "all hosts"
)

// act is one fault while it is on.
type act struct {
	host   string
	extra  []func() // undo of parts that have no name
	before int      // a number that the probe compares with
	note   string
}

// class is a kind of fault.
type class struct {
	Name string
	Says string // for people
	// family: of two faults at once no two are of one family, since the lifting
	// of one would lift the other.
	family string
	on     []place
	// hold is how long it stays, from the moment it was seen to bite: the
	// shortest and the longest time.
	hold [2]time.Duration

	do, undo func(context.Context, *site, *act) error
	// bites says what its probe sees; an error means that the fault does not bite.
	bites func(context.Context, *site, *act) (string, error)
	// ends is nil when the probe works again.
	ends func(context.Context, *site, *act) error

	// seen is how it is noticed when it takes the writer away, see limits.go.
	seen sight
	// changes is how often the writer may change when the fault hits the writer's
	// host, or comes with a second one; anyway, when it hits another.
	changes, anyway int
	// stalls: writes of a writer that it hits may stand still as long as it is on,
	// because nothing that could be done about it is safe, or nobody can see it.
	stalls bool
	// mutes: a VIP may be silent as long as it is on.
	mutes bool
	// member: the etcd member of the host is lost with it. When that leads, etcd
	// elects, and with this host missing not all can promise to keep still.
	member bool
	// after is how much longer than others the servers themselves need when it is over.
	after time.Duration
	// alone: not with a second fault.
	alone bool
}

const second = time.Second

// classes is the table of all faults.
var classes = []class{
	{Name: "kill", Says: "mysqld killed (SIGKILL), started again later", family: "mysqld", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.3, 4), do: killMysqld, undo: startMysqld, bites: silent, ends: answers, seen: atOnce, changes: 1},
	{Name: "crash", Says: "mysqld killed (SIGKILL), started at once by its supervisor", family: "mysqld", on: []place{onWriter, onWriter, onReplica},
		hold: span(0, 0.5), do: crashMysqld, undo: nothing, bites: otherMysqld, ends: answers, seen: atOnce, changes: 1},
	{Name: "stop", Says: "mysqld shut down in order", family: "mysqld", on: []place{onWriter, onReplica},
		hold: span(0.3, 3), do: stopMysqld, undo: startMysqld, bites: silent, ends: answers, seen: atOnce, changes: 1},
	{Name: "hang", Says: "mysqld stopped (SIGSTOP) and continued", family: "mysqld", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.2, 5), do: hangMysqld, undo: resumeMysqld, bites: silent, ends: answers, seen: byLease, changes: 1},
	{Name: "both", Says: "agent killed, and mysqld after it, which its supervisor starts at once", family: "agent", on: []place{onWriter, onReplica},
		hold: span(0.3, 4), do: killBoth, undo: startAgent, bites: noAgent, ends: agentRuns, seen: byLease, changes: 1},
	{Name: "agent-kill", Says: "agent killed, started again later", family: "agent", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.3, 5), do: killAgent, undo: startAgent, bites: noAgent, ends: agentRuns, seen: byLease, changes: 1},
	{Name: "agent-restart", Says: "agent killed, started at once by its supervisor", family: "agent", on: []place{onWriter, onReplica},
		hold: span(0, 0.5), do: restartAgent, undo: nothing, bites: otherAgent, ends: agentRuns},
	{Name: "agent-freeze", Says: "agent stopped (SIGSTOP) and continued", family: "agent", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.2, 5), do: freezeAgent, undo: thawAgent, bites: frozenAgent, ends: agentRuns, seen: byLease, changes: 1},
	{Name: "host-freeze", Says: "the whole host frozen (cgroup) and resumed", family: "host", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.2, 5), do: freezeHost, undo: thawHost, bites: silent, ends: answers, seen: byLease, member: true, changes: 1},
	{Name: "host-kill", Says: "the whole host killed (cgroup) and started", family: "host", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(1, 4), do: killHost, undo: startHost, bites: gone, ends: present, seen: byLease, member: true, changes: 1},
	{Name: "power", Says: "power lost, with all that was not flushed to the disk", family: "host", on: []place{onWriter, onWriter, onReplica},
		hold: span(1, 4), do: losePower, undo: startHost, bites: gone, ends: present, seen: byLease, member: true, changes: 1},
	{Name: "cut", Says: "host cut off from all others, both ways", family: "net", on: []place{onWriter, onWriter, onMaster, onReplica},
		hold: span(0.3, 5), do: cutBoth, undo: heal, bites: cutSeen, ends: healSeen, seen: byLease, member: true, changes: 1},
	{Name: "cut-out", Says: "what the host sends is lost, what others send arrives", family: "net", on: []place{onWriter, onReplica},
		hold: span(0.5, 5), do: cutOut, undo: heal, bites: cutSeen, ends: healSeen, seen: byLease, member: true, changes: 1},
	{Name: "cut-in", Says: "what others send to the host is lost, what it sends arrives", family: "net", on: []place{onWriter, onReplica},
		hold: span(0.5, 5), do: cutIn, undo: heal, bites: cutSeen, ends: healSeen, seen: byLease, member: true, changes: 1},
	{Name: "cut-pair", Says: "the writer and one other host cannot reach each other", family: "net", on: []place{onMaster, onReplica},
		hold: span(0.5, 4), do: cutFromWriter, undo: heal, bites: cutSeen, ends: healSeen, seen: byLease, changes: 1},
	{Name: "cable", Says: "network cable pulled and plugged", family: "net", on: []place{onWriter, onWriter, onReplica},
		hold: span(0.3, 4), do: unplug, undo: plug, bites: gone, ends: present, seen: byLease, member: true, changes: 1},
	{Name: "arp", Says: "all ARP of a host lost", family: "arp", on: []place{onWriter, onReplica},
		hold: span(1, 4), do: loseARP, undo: keepARP, bites: gone, ends: present, seen: byLease, changes: 1, stalls: true, mutes: true},
	{Name: "announce", Says: "announcements of the new writer lost at a switchover", family: "arp", on: []place{onMaster},
		hold: span(1, 3), do: loseAnnouncements, undo: keepAnnouncements, bites: announcementLost, ends: fine, seen: byOrder, changes: 1, anyway: 1, stalls: true, mutes: true, alone: true},
	{Name: "disk-full", Says: "disk of the datadir full", family: "disk", on: []place{onWriter, onReplica},
		// Longer than it takes to notice: MariaDB itself looks again once a minute.
		hold: span(4, 6), do: fillDisk, undo: emptyDisk, bites: diskRefuses, ends: diskWorks, seen: byDisk, member: true, changes: 1, after: time.Minute},
	{Name: "disk-full-briefly", Says: "disk of the datadir full for a moment, shorter than anybody minds", family: "disk", on: []place{onWriter, onReplica},
		hold: span(0.3, 1), do: fillDisk, undo: emptyDisk, bites: diskRefuses, ends: diskWorks, seen: byDisk, member: true, changes: 1, stalls: true, after: time.Minute}, // the same
	{Name: "disk-stall", Says: "every write to the disk waits (fsfreeze)", family: "disk", on: []place{onWriter, onReplica},
		hold: span(0.3, 4), do: stallDisk, undo: resumeDisk, bites: diskRefuses, ends: diskWorks, seen: byDisk, member: true, changes: 1},
	{Name: "disk-readonly", Says: "the file system fails and turns read-only; the host is started anew", family: "disk", on: []place{onWriter, onReplica},
		hold: span(0.5, 3), do: breakDisk, undo: rebootHost, bites: diskRefuses, ends: diskWorks, seen: byDisk, member: true, changes: 2, alone: true}, // once more when the host is started anew
	{Name: "connections", Says: "max_connections used up by clients that do nothing", family: "connections", on: []place{onWriter, onReplica},
		hold: span(0.5, 4), do: crowd, undo: disperse, bites: crowded, ends: roomAgain},
	{Name: "etcd-member", Says: "an etcd member that does not lead is killed", family: "etcd", on: []place{onMember},
		hold: span(0.5, 5), do: killMember, undo: startMembers, bites: memberGone, ends: memberBack, changes: 1},
	{Name: "etcd-leader", Says: "etcd's leader is killed", family: "etcd", on: []place{onLeader},
		hold: span(0.5, 5), do: killMember, undo: startMembers, bites: memberGone, ends: memberBack, changes: 1},
	{Name: "etcd-all", Says: "all of etcd is killed", family: "etcd", on: []place{onAll},
		hold: span(0.5, 5), do: killMembers, undo: startMembers, bites: memberGone, ends: memberBack, changes: 1},
	{Name: "etcd-cut", Says: "a host cannot reach the etcd of others, nor they its own", family: "etcd", on: []place{onWriter, onMaster, onReplica},
		hold: span(0.5, 5), do: cutEtcd, undo: healEtcd, bites: etcdAway, ends: etcdNear, seen: byLease, member: true, changes: 1},
	{Name: "switchover", Says: "an operator moves the writer", family: "order", on: []place{onMaster},
		hold: span(0, 0.5), do: switchOver, undo: nothing, bites: ordered, ends: fine, seen: byOrder, changes: 1, anyway: 1},
	{Name: "offline", Says: "an operator sets a host offline and online again", family: "order", on: []place{onMaster, onReplica},
		hold: span(0.5, 3), do: setOffline, undo: setOnline, bites: isOffline, ends: fine},
}

func span(from, to float64) [2]time.Duration {
	return [2]time.Duration{time.Duration(from * float64(second)), time.Duration(to * float64(second))}
}

// Class is what the outside knows of a class.
type Class struct{ Name, Says string }

// Classes lists all faults of a cluster, in the order of the table.
func Classes() []Class {
	out := make([]Class, 0, len(classes))
	for _, c := range classes {
		out = append(out, Class{c.Name, c.Says})
	}
	return out
}
