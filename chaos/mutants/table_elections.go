package mutants

import "time"

// stories are the rules of topology told in testdata, and the properties that
// look at random views and random walks.
var stories = Suite{Name: "stories and properties", Pkg: "./topology", Args: []string{"-rapid.seed=20261122", "-rapid.shrinktime=2s"}, Limit: 4 * time.Minute}

// proof are the bugs of an election: who is heard, who wins, who may not.
var proof = []Mutant{
	{
		Name: "stale-denial-stands", Rules: []string{"R31", "R46"}, File: "topology/verdict.go", Suite: stories,
		What: "A replica believes for ever what its source denied before it took its tail in again, and nobody acknowledges.",
		Old:  `return known && r.Asked < c.Epoch() &&`,
		New:  `return false && known && r.Asked < c.Epoch() &&`,
	},
	{
		Name: "quorum-one-short", Rules: []string{"R30"}, File: "topology/proof.go", Suite: stories,
		What: "One bid fewer than |S| - W + 1 is taken for enough.",
		Old:  `len(reign.Ackers)-reign.W+1)`,
		New:  `len(reign.Ackers)-reign.W)`,
	},
	{
		Name: "empty-set-proves", Rules: []string{"R24", "R30"}, File: "topology/proof.go", Suite: stories,
		What: "An empty acker set needs no bid, so anybody opens.",
		Old:  `need := max(1, `,
		New:  `need := max(0, `,
	},
	{
		Name: "bids-of-other-epochs", Rules: []string{"R29"}, File: "topology/proof.go", Suite: stories,
		What: "A bid that was placed after an earlier reign is counted again.",
		Old:  `live && b.Value.After == c.LastEpoch() && b.Value.Incarnation != ""`,
		New:  `live && b.Value.Incarnation != ""`,
	},
	{
		Name: "bids-of-other-runs", Rules: []string{"R29"}, File: "topology/proof.go", Suite: stories,
		What: "A bid is counted although the mysqld that bid has been restarted since.",
		Old:  `rep.Value.Incarnation == b.Value.Incarnation && b.Value.Broken == ""`,
		New:  `rep.Present() && b.Value.Broken == ""`,
	},
	{
		Name: "restarted-acker-proves", Rules: []string{"R25", "R30"}, File: "topology/proof.go", Suite: stories,
		What: "A member of the acker set that lost its relay log in a restart still counts as proof.",
		Old:  `if hasIncarnation(bids, id, c.Reign.Value.Ackers[id]) {`,
		New:  `if _, bid := bids[id]; bid {`,
	},
	{
		Name: "restarted-writer-proves", Rules: []string{"R30"}, File: "topology/proof.go", Suite: stories,
		What: "The last writer proves everything although its restart cut off what was not acknowledged here.",
		Old:  `hasIncarnation(bids, reign.ID, reign.Incarnation)`,
		New:  `hasIncarnation(bids, reign.ID, bids[reign.ID].Value.Incarnation)`,
	},
	{
		Name: "last-writer-forgotten", Rules: []string{"R30"}, File: "topology/proof.go", Suite: stories,
		What: "The last writer with its binlog intact is no proof, so a cluster stands still for want of an acker.",
		Old:  "case last:\n",
		New:  "case last && covered:\n",
	},
	{
		Name: "clean-stop-ignored", Rules: []string{"R30", "R60"}, File: "topology/proof.go", Suite: stories,
		What: "What a clean stop wrote down is not believed, and a cluster that was stopped on purpose stays down.",
		Old:  `case reign.Closed != nil && !reign.Closed.Empty() && len(holding(c, bids, *reign.Closed)) > 0:`,
		New:  `case false:`,
	},
	{
		Name: "shortest-bid-wins", Rules: []string{"R32"}, File: "topology/proof.go", Suite: stories,
		What: "The shortest of the proving bids is taken for the best.",
		Old:  `gtid.Compare(b.Value.Received, p.Best) == gtid.After:`,
		New:  `gtid.Compare(b.Value.Received, p.Best) == gtid.Before:`,
	},
	{
		Name: "fork-overlooked", Rules: []string{"R32"}, File: "topology/proof.go", Suite: stories,
		What: "Two proving bids that each hold what the other lacks are taken for equal.",
		Old:  `case gtid.Compare(b.Value.Received, p.Best) == gtid.Diverged:`,
		New:  `case false:`,
	},
	{
		Name: "broken-replica-proves", Rules: []string{"R40"}, File: "topology/proof.go", Suite: stories,
		What: "A host whose replication had failed, or that dropped its relay log, is heard all the same.",
		Old:  `rep.Value.Incarnation == b.Value.Incarnation && b.Value.Broken == ""`,
		New:  `rep.Value.Incarnation == b.Value.Incarnation`,
	},
	{
		Name: "numbers-alone-prove", Rules: []string{"R32", "R38"}, File: "topology/proof.go", Suite: stories,
		What: "A higher number is taken for more data, also on a host that lacks the whole last reign.",
		Old:  `return ofReign(c, id) && c.Bids[id].Value.Received.Contains(pos)`,
		New:  `return c.Bids[id].Value.Received.Contains(pos)`,
	},
	{
		Name: "most-lagging-is-promoted", Rules: []string{"R33"}, File: "topology/proof.go", Suite: stories,
		What: "Of two candidates the one that lacks data goes first.",
		Old:  `return r.lacks < o.lacks`,
		New:  `return r.lacks > o.lacks`,
	},
	{
		Name: "voters-from-the-file", Rules: []string{"R53"}, File: "topology/proof.go", Suite: stories,
		What: "A host that was added to the cluster file is elected before any writer wrote it down.",
		Old:  `case !slices.Contains(c.Reign.Value.Voters, id):`,
		New:  `case false:`,
	},
	{
		Name: "manual-ignored-in-the-race", Rules: []string{"R35"}, File: "topology/proof.go", Suite: stories,
		What: "In mode MANUAL another host than the last writer wins the race by itself.",
		Old:  `case !ordered && c.ModeNow() != Active && id != c.Reign.Value.ID: // R35`,
		New:  `case false:`,
	},
	{
		Name: "manual-ignored-in-bids", Rules: []string{"R35"}, File: "topology/rules_election.go", Suite: stories,
		What: "In mode MANUAL hosts stop their IO threads and bid without an order.",
		Old:  `return v.Cluster.ModeNow() == Active || ordered ||`,
		New:  `return v.Cluster.ModeNow() != "" || ordered ||`,
	},
	{
		Name: "offline-host-is-elected", Rules: []string{"R34"}, File: "topology/proof.go", Suite: stories,
		What: "A host that an operator set offline becomes writer.",
		Old:  `case c.Intents[h.Name].Value.Want == WantOffline:`,
		New:  `case false:`,
	},
	{
		Name: "order-names-nobody", Rules: []string{"R35"}, File: "topology/proof.go", Suite: stories,
		What: "An order to elect one host lets any host be elected.",
		Old:  `case ordered && order.Target != h.Name:`,
		New:  `case false && order.Target != h.Name:`,
	},
	{
		Name: "campaign-short-of-best", Rules: []string{"R33"}, File: "topology/rules_election.go", Suite: stories,
		What: "The candidate asks for the writer's place before it has fetched what it lacks.",
		Old:  `best == v.ID && v.Probe.Up && v.bidStands() && slices.Contains(p.Holders, v.ID)`,
		New:  `best == v.ID && v.Probe.Up && v.bidStands()`,
	},
	{
		Name: "campaign-on-an-old-bid", Rules: []string{"R29"}, File: "topology/rules_election.go", Suite: stories,
		What: "The candidate campaigns on a bid that another run of its mysqld placed, wins, gives up, and wins again for ever.",
		Old:  `b.Value.Incarnation == v.Probe.Incarnation && b.Lease == v.Lease.ID`,
		New:  `b.Lease == v.Lease.ID`,
	},
	{
		Name: "guard-of-reign-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the acker set that it was decided on.",
		Old:  `g := Guards{Reign: v.Cluster.Reign.Rev, Spec:`,
		New:  `g := Guards{Spec:`,
	},
	{
		Name: "guard-of-spec-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the cluster file.",
		Old:  `Spec: v.Cluster.Spec.Rev, Mode:`,
		New:  `Mode:`,
	},
	{
		Name: "guard-of-mode-dropped", Rules: []string{"R34", "R35"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the mode, so PASSIVE comes too late.",
		Old:  `Mode: v.Cluster.Mode.Rev,`,
		New:  ``,
	},
	{
		Name: "guard-of-intent-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by what the operator says of this host.",
		Old:  `Intent: v.Cluster.Intents[v.Self].Rev, `,
		New:  ``,
	},
	{
		Name: "guard-of-order-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the order that allowed it.",
		Old:  `Order: v.Cluster.Switchover.Rev, Bids: map[HostID]Rev{}}`,
		New:  `Bids: map[HostID]Rev{}}`,
	},
	{
		Name: "guard-of-bids-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the bids that were counted, so a late one lands after a whole other reign.",
		Old:  "for id, rev := range p.Counted {\n\t\tg.Bids[id] = rev\n",
		New:  "for id, rev := range p.Counted {\n\t\t_, _ = id, rev\n",
	},
	{
		Name: "guard-of-own-bid-dropped", Rules: []string{"R34"}, File: "topology/rules_election.go", Suite: stories,
		What: "The campaign is not guarded by the candidate's own bid.",
		Old:  "g.Bids[v.ID] = b.Rev\n",
		New:  "_ = b\n",
	},
	{
		Name: "bad-settings-are-able", Rules: []string{"R14"}, File: "topology/rules_election.go", Suite: stories,
		What: "A server whose my.cnf lets it start writable may be elected.",
		Old:  `case len(v.Probe.Problems) > 0:`,
		New:  `case len(v.Probe.Problems) > 99:`,
	},
	{
		Name: "stopped-sql-thread-is-able", Rules: []string{"R33", "R36"}, File: "topology/rules_election.go", Suite: stories,
		What: "A replica that cannot apply what it has received is elected.",
		Old:  `case v.Probe.Replication.Configured && !v.Probe.Replication.SQL && !v.Probe.Applied.Contains(v.Probe.Received):`,
		New:  `case false:`,
	},
	{
		Name: "first-writer-lacks-data", Rules: []string{"R61"}, File: "topology/rules_election.go", Suite: stories,
		What: "The first writer is made of a host that lacks what another one holds.",
		Old:  `func (v *View) short() string { return cmp.Or(v.able(), v.ahead()) }`,
		New:  `func (v *View) short() string { return cmp.Or(v.able(), "") }`,
	},
}
