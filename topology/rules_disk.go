package topology

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Disk is what a host finds out about the disk of its datadir by writing there.
type Disk struct {
	Failing string `json:"failing,omitempty"` // what the last try met, in words; empty: it worked, or nothing was tried
	Bad     bool   `json:"bad,omitempty"`     // so long that it counts (Timing.Disk); it ends after some good tries
}

// Why says what a disk that counts as bad does to its host, or nothing.
func (d Disk) Why() string {
	if !d.Bad {
		return ""
	}
	return "its disk takes no writes: " + cmp.Or(d.Failing, "it has only just begun to again")
}

// diskRules are for a writer that answers and cannot write.
var diskRules = []Rule{
	{
		Name: "disk-failed", Last: true,
		Doc: "The disk of the writer takes no writes, and another host can surely be elected without it: the reign is given up.",
		When: func(v *View) (string, bool) {
			heir, _ := Successor(v.Cluster)
			return fmt.Sprintf("%s; %s can take over", v.Probe.Disk.Why(), heir), v.diskFailed() && heir != ""
		},
		Then: func(v *View) []Action { return one(Action{Kind: EndReign, Epoch: v.Term.Epoch}) },
	},
	{
		Name: "disk-kept",
		Doc:  "The disk of the writer takes no writes, and nobody could take over: it stays writer, so that writes go on as soon as the disk does.",
		When: func(v *View) (string, bool) {
			heir, why := Successor(v.Cluster)
			return v.Probe.Disk.Why() + "; it stays the writer, because nobody can take over: " + why, v.diskFailed() && heir == ""
		},
	},
}

// diskFailed reports whether this host reigns on a disk that takes no writes. A
// planned switchover is left to end, or to be undone; and who lives by promises
// waits for etcd, without which nobody is elected.
func (v *View) diskFailed() bool {
	_, drains := v.draining()
	return v.reigns() && v.Probe.Disk.Bad && !drains && v.Failsafe.Left <= 0
}

// writesDisk are the actions that make mysqld write down what it does before it
// answers: on a disk that takes no writes each would hang, and hang what looks at
// the server with it.
var writesDisk = []Kind{Follow, Reattach, Rewind, Replay, StartSQL, Fetch, CloneHost, ReplaceData}

// Successor names a host that would be elected if the writer gave its reign up
// now and was not heard of again, or says why there may be none. It is strict: who
// would have to prove something must be well (R30), so that no reign is given up
// for an election that cannot end.
func Successor(c Cluster) (name, why string) {
	if m := c.ModeNow(); m != Active {
		return "", fmt.Sprintf("mode is %s, and nobody is elected by itself", m)
	}
	if why := lacksProof(c); why != "" {
		return "", why
	}
	var best *rank
	var not []string
	for _, h := range c.Spec.Value.Hosts {
		if h.Name == c.Writer.Value.Name || !h.MayWrite() {
			continue
		}
		_, id, _ := c.ReportOf(h.Name)
		if why := unready(c, h.Name); why != "" {
			not = append(not, h.Name+" "+why)
		} else if k := (rank{priority: h.Priority, id: id}); best == nil || k.less(*best) {
			best, name = &k, h.Name
		}
	}
	if name == "" && len(not) == 0 {
		return "", "no other host may be writer by the cluster file"
	}
	return name, strings.Join(not, "; ")
}

// lacksProof names an acker without which the ackers prove nothing, or is empty.
func lacksProof(c Cluster) string {
	r := c.Reign.Value
	lacking, others := 0, 0
	why := "nobody else acknowledged what it wrote"
	for _, id := range sortedKeys(r.Ackers) {
		if id == c.Writer.Value.ID {
			continue
		}
		others++
		e, live := c.Hosts[id]
		switch {
		case !live:
			why = nameOf(c, id) + ", which acknowledged, is gone"
		case e.Value.Disk.Failing != "" || e.Value.Disk.Bad: // it may well be the cause of what follows
			why = nameOf(c, id) + ", which acknowledged, has a disk that fails, too: " + e.Value.Disk.Failing
		case !e.Value.MySQL.Up || e.Value.Incarnation != r.Ackers[id]:
			why = nameOf(c, id) + ", which acknowledged, has lost its mysqld"
		case Broken(e.Value.Replication) != "":
			why = nameOf(c, id) + ", which acknowledged, cannot go on replicating"
		default:
			continue
		}
		lacking++
	}
	if others-lacking < max(1, len(r.Ackers)-r.W+1) {
		return why
	}
	return ""
}

// unready says why a host that may be writer would not be elected now, or nothing.
func unready(c Cluster, name string) string {
	rep, id, live := c.ReportOf(name)
	_, lost := GivenUp(c, id)
	switch {
	case !live:
		return "is down"
	case c.Intents[name].Value.Want == WantOffline:
		return "was set offline by an operator"
	case lost:
		return "was given up and nobody has looked at it since"
	case rep.Disk.Failing != "" || rep.Disk.Bad:
		return "has a disk that fails, too: " + rep.Disk.Failing
	case !rep.MySQL.Up:
		return "has no mysqld that answers"
	case rep.Unable != "":
		return "cannot be writer: " + rep.Unable
	case Broken(rep.Replication) != "":
		return "cannot go on replicating: " + Broken(rep.Replication)
	case !slices.Contains(c.Reign.Value.Voters, id):
		return "was not yet written down as a candidate by the writer"
	default:
		return ""
	}
}
