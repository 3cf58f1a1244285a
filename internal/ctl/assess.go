package ctl

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Verdict is how a cluster is, in one word.
type Verdict string

// The verdicts, as Nagios names them.
const (
	OK   Verdict = "OK"   // all is well
	Warn Verdict = "WARN" // clients are served, but something is lost or forbidden
	Crit Verdict = "CRIT" // nobody can write, or nobody can connect to any router
)

// assessment is a verdict with its reasons.
type assessment struct {
	verdict  Verdict
	summary  string   // one sentence, without the verdict
	problems []string // what is not as it should be, one sentence each
	hosts    []string // hosts that are not ONLINE, and routers in trouble, one sentence each
	canLose  int      // database hosts, one after the other, before writes stop
}

// assess judges the whole cluster; quorum is nil when nobody counted.
func assess(cl topology.Cluster, now time.Time, quorum *Quorum) assessment {
	a := assessment{verdict: OK, problems: append(problems(cl, now), routerProblems(cl)...), hosts: append(notOnline(cl, now), troubledRouters(cl, now)...), canLose: spareHosts(cl, now)}
	if quorum != nil && quorum.Healthy < quorum.Total {
		a.problems = append(a.problems, fmt.Sprintf("etcd: %d of %d members answer", quorum.Healthy, quorum.Total))
	}
	if l := lossOf(cl); len(l.halted) > 0 {
		a.verdict, a.canLose = Crit, 0
		a.summary = fmt.Sprintf("HALT: etcd went back to an older state, seen by %s; nothing is opened until `mmmctl recover-etcd`", strings.Join(l.halted, ", "))
		return a
	}
	if why := noWrites(cl); why != "" {
		a.verdict, a.summary, a.canLose = Crit, why, 0
		return a
	}
	if why := routersOut(cl); why != "" {
		a.verdict, a.summary = Crit, fmt.Sprintf("%s is the writer (epoch %d), but %s", cl.Writer.Value.Name, cl.Epoch(), why)
		return a
	}
	if len(a.problems)+len(a.hosts) > 0 || a.canLose == 0 || quorum != nil && quorum.Total > 1 && quorum.Spare() <= 0 {
		a.verdict = Warn
	}
	a.summary = fmt.Sprintf("%s is the writer (epoch %d); %s", cl.Writer.Value.Name, cl.Epoch(), spareText(a.canLose, quorum))
	return a
}

// spareText says what may still be lost.
func spareText(hosts int, quorum *Quorum) string {
	etcd := ""
	if quorum != nil {
		etcd = fmt.Sprintf(" and %s", count(max(quorum.Spare(), 0), "more etcd member"))
	}
	if hosts == 0 {
		text := "the next database host that is lost may stop writes"
		if quorum != nil && quorum.Spare() <= 0 {
			return text + ", and so may the next etcd member"
		}
		return text
	}
	return fmt.Sprintf("can lose %s%s before writes stop", count(hosts, "more database host"), etcd)
}

// noWrites says why nobody can write, or nothing.
func noWrites(cl topology.Cluster) string {
	w, p := cl.Writer.Value, cl.Phase.Value
	switch {
	case !cl.Writer.Present():
		return "there is no writer: " + electionText(cl)
	case !cl.Phase.Present() || p.Step != topology.Ready:
		step := "takes over"
		if cl.Phase.Present() {
			step = "is " + string(p.Step)
		}
		if p.Waiting != "" {
			step += " and " + p.Waiting
		}
		return fmt.Sprintf("%s won epoch %d and %s: nobody can write yet", w.Name, cl.Epoch(), step)
	}
	r, ok := cl.Hosts[w.ID]
	switch {
	case !ok:
		return fmt.Sprintf("%s is the writer (epoch %d) but says nothing of itself", w.Name, cl.Epoch())
	case !r.Value.MySQL.Up:
		return fmt.Sprintf("mysqld of the writer %s is down: %s", w.Name, r.Value.MySQL.Why)
	case r.Value.Disk.Bad:
		return fmt.Sprintf("%s is the writer (epoch %d) and cannot write: %s; %s", w.Name, cl.Epoch(), r.Value.Disk.Why(), heirText(cl))
	default:
		return ""
	}
}

// heirText says who takes over from a writer that cannot write, or why nobody does.
func heirText(cl topology.Cluster) string {
	heir, why := topology.Successor(cl)
	if heir == "" {
		return "nobody can take over: " + why
	}
	return heir + " is about to take over"
}

// electionText says what an election waits for.
func electionText(cl topology.Cluster) string {
	if !cl.Reign.Present() {
		return "none was ever named; `mmmctl init --writer HOST` names the first one"
	}
	if m := cl.ModeNow(); m != topology.Active {
		return fmt.Sprintf("mode is %s and nobody is elected by itself; `mmmctl switchover` orders an election", m)
	}
	proof := topology.Prove(cl)
	if !proof.OK && (proof.Forked || !allBid(cl)) {
		return proof.Why
	}
	if !proof.OK {
		return proof.Why + "; `mmmctl failover --to HOST` says what would be lost without them"
	}
	id, race := topology.Best(cl, proof)
	if id == "" {
		return "no host can take over (" + raceText(race) + ")"
	}
	return race[0].Name + " is about to take over"
}

func raceText(race []topology.Candidate) string {
	var parts []string
	for _, r := range race {
		parts = append(parts, r.Name+": "+r.Why)
	}
	return strings.Join(parts, "; ")
}

// notOnline says of each host that is not ONLINE why.
func notOnline(cl topology.Cluster, now time.Time) []string {
	var out []string
	for _, name := range hostNames(cl) {
		if state, why := topology.Classify(cl, name, now); state != topology.Online {
			out = append(out, fmt.Sprintf("%s is %s: %s", name, state, why))
		}
	}
	return out
}

// problems lists what is not as it should be, apart from the writer and from
// hosts that are not ONLINE.
func problems(cl topology.Cluster, now time.Time) []string {
	var out []string
	if m := cl.Mode.Value; cl.ModeNow() != topology.Active {
		what := "readers move, the writer only by order"
		if m.Mode == topology.Passive {
			what = "nothing moves by itself"
		}
		out = append(out, fmt.Sprintf("mode is %s for %s%s (%s)", m.Mode, ago(now.Sub(m.Since)), signed(m.Who, m.Why), what))
	}
	for _, name := range hostNames(cl) {
		state, _ := topology.Classify(cl, name, now)
		if r, _, ok := cl.ReportOf(name); ok && state == topology.Online && r.Unable != "" && !r.Disk.Bad {
			out = append(out, fmt.Sprintf("%s cannot become writer: %s", name, r.Unable))
		}
	}
	out = append(out, handicaps(cl)...)
	if paused(cl) {
		out = append(out, fmt.Sprintf("writes are paused: the writer is being moved to %s", cl.Switchover.Value.Target))
	}
	if since, alone := topology.Alone(cl); alone {
		out = append(out, fmt.Sprintf("%s writes WITHOUT ACKNOWLEDGEMENTS since %s ago (durability: available): what it writes is lost if it is lost, and then nobody else opens by itself",
			cl.Writer.Value.Name, ago(now.Sub(since))))
	}
	out = append(out, tombstones(cl, now)...)
	if open := unfenced(cl); len(open) > 0 {
		out = append(out, fmt.Sprintf("fence: none on %s: when the agent there dies or hangs, NOTHING keeps clients from writing to a writer that was replaced", strings.Join(open, ", ")))
	}
	for _, vip := range cl.Spec.Value.Roles.Reader.VIPs {
		if _, held := cl.Claims[vip]; !held {
			out = append(out, fmt.Sprintf("reader VIP %s is served by nobody", vip))
		}
	}
	return out
}

// handicaps says of hosts that may be writer what keeps them from it while there
// is another one, and of any that is too old to follow the present writer.
func handicaps(cl topology.Cluster) []string {
	var out []string
	for _, h := range cl.Spec.Value.Hosts {
		r, _, live := cl.ReportOf(h.Name)
		writes := cl.Writer.Present() && cl.Writer.Value.Name == h.Name
		ahead, late := topology.Ahead(cl, h.Name), topology.Late(r.Replication)
		switch {
		case !live:
		case late != "":
			out = append(out, fmt.Sprintf("%s is elected only if there is no other: %s, and what only it has received is of no use until then; "+
				"`mmmctl set-offline %s`, there `STOP SLAVE; CHANGE MASTER TO MASTER_DELAY=0; START SLAVE`, and `mmmctl set-online %s` end that", h.Name, late, h.Name, h.Name))
		case ahead != "" && writes:
			out = append(out, fmt.Sprintf("%s is the writer and has a replica that is too old: %s", h.Name, ahead))
		case ahead != "" && h.MayWrite():
			out = append(out, fmt.Sprintf("%s is elected only if there is no other: %s", h.Name, ahead))
		}
	}
	return out
}

// paused reports whether a planned switchover has stopped the old writer.
func paused(cl topology.Cluster) bool {
	s := cl.Switchover.Value
	return cl.Switchover.Present() && s.Kind == topology.OrderSwitchover && s.Epoch == cl.Epoch() &&
		(s.Step == topology.Drained || s.Step == topology.TargetReady)
}

// unfenced are the hosts whose agent has no port fence.
func unfenced(cl topology.Cluster) []string {
	var out []string
	for _, name := range hostNames(cl) {
		if r, _, ok := cl.ReportOf(name); ok && r.Fence == "none" {
			out = append(out, name)
		}
	}
	return out
}

// spareHosts counts the database hosts that can go, one after the other, before
// no host can write any more: W hosts must be left to acknowledge, and one that
// may write.
func spareHosts(cl topology.Cluster, now time.Time) int {
	if noWrites(cl) != "" {
		return 0
	}
	ackers := 0
	for id, inc := range cl.Reign.Value.Ackers {
		r, ok := cl.Hosts[id]
		if ok && r.Value.Incarnation == inc && r.Value.MySQL.Up && r.Value.Replication.Attached {
			ackers++
		}
	}
	heirs := 0
	for _, cand := range topology.Candidates(cl, now) {
		if cand.OK {
			heirs++
		}
	}
	return max(0, min(ackers-max(1, cl.Reign.Value.W), heirs))
}

// rolesOf are the roles of a host as MMM writes them, sorted.
func rolesOf(cl topology.Cluster, name string) []string {
	var out []string
	for vip, claim := range cl.Claims {
		if claim.Value.Name == name {
			out = append(out, fmt.Sprintf("reader(%s)", vip))
		}
	}
	if cl.Writer.Present() && cl.Writer.Value.Name == name {
		for _, vip := range cl.Spec.Value.Roles.Writer.VIPs {
			out = append(out, fmt.Sprintf("writer(%s)", vip))
		}
		if len(cl.Spec.Value.Roles.Writer.VIPs) == 0 {
			out = append(out, "writer")
		}
	}
	slices.Sort(out)
	return out
}

// vipsOf are the addresses that a host answers for: its claims, and the
// writer's when it is open.
func vipsOf(cl topology.Cluster, name string) []netip.Addr {
	out := []netip.Addr{}
	for vip, claim := range cl.Claims {
		if claim.Value.Name == name {
			out = append(out, vip)
		}
	}
	slices.SortFunc(out, netip.Addr.Compare)
	if cl.Writer.Present() && cl.Writer.Value.Name == name && cl.Phase.Value.Step == topology.Ready && !paused(cl) {
		out = append(slices.Clone(cl.Spec.Value.Roles.Writer.VIPs), out...)
	}
	return out
}
