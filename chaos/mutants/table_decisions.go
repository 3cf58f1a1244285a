package mutants

import "slices"

// decisions are the bugs in the table of rules.
var decisions = slices.Concat(fences, proof, reigns, orders)

// fences are the bugs of what must close.
var fences = []Mutant{
	{
		Name: "reign-outlives-its-mysqld", Rules: []string{"R19"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A mysqld that was restarted within the lease goes on as writer, without what its restart cut off.",
		Old:  `return "mysqld was restarted under the reign", true`,
		New:  `return "mysqld was restarted under the reign", false`,
	},
	{
		Name: "dead-mysqld-reigns-on", Rules: []string{"R19"}, File: "topology/rules_fence.go", Suite: stories,
		What: "The writer's place is kept while its mysqld is dead.",
		Old:  `return "mysqld died", true`,
		New:  `return "mysqld died", false`,
	},
	{
		Name: "hung-mysqld-reigns-on", Rules: []string{"R13"}, File: "topology/rules_fence.go", Suite: stories,
		What: "The writer's place is kept while its mysqld does not answer.",
		Old:  `return "mysqld does not answer: " + v.Probe.Why, !v.Probe.Up`,
		New:  `return "mysqld does not answer: " + v.Probe.Why, false`,
	},
	{
		Name: "late-lease-ignored", Rules: []string{"R1", "R12"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A host whose lease was not renewed in time goes on serving.",
		Old:  `func(v *View) bool { return v.Lease.Left <= 0 }`,
		New:  `func(v *View) bool { return false }`,
	},
	{
		Name: "old-etcd-believed", Rules: []string{"R17"}, File: "topology/distrust.go", Suite: stories,
		What: "An etcd that was restored from an old copy is believed.",
		Old:  `case v.Cluster.Rev < v.Seen.Epoch:`,
		New:  `case false:`,
	},
	{
		Name: "old-epoch-believed", Rules: []string{"R17"}, File: "topology/distrust.go", Suite: stories,
		What: "A writer key of an epoch below the highest one seen is believed.",
		Old:  `w.Present() && w.Rev < v.Seen.Epoch`,
		New:  `w.Present() && w.Rev < 0`,
	},
	{
		Name: "foreign-key-is-kept", Rules: []string{"R18"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A writer key that names this host, but that another process won, is left standing.",
		Old:  `return w.Present() && w.Value.ID == v.ID && w.Rev != v.Term.Epoch &&`,
		New:  `return false && w.Present() && w.Value.ID == v.ID && w.Rev != v.Term.Epoch &&`,
	},
	{
		Name: "lost-reign-goes-on", Rules: []string{"R3"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A host goes on as writer although etcd names another one.",
		Old:  `v.Cluster.Writer.Rev != v.Term.Epoch && !v.busy(HandOver)`,
		New:  `v.Cluster.Writer.Rev != v.Term.Epoch && v.busy(HandOver)`,
	},
	{
		Name: "read-only-set-once", Rules: []string{"R8"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A demotion that did not work is not tried again, and a replica stays writable (MMM's F7).",
		Old:  `if !v.Probe.Up || v.Probe.ReadOnly || v.busy(Drain, OpenDoor) {`,
		New:  `if !v.Probe.Up || v.Probe.ReadOnly || v.Term.Epoch == 0 || v.busy(Drain, OpenDoor) {`,
	},
	{
		Name: "waiters-are-left", Rules: []string{"R12"}, File: "topology/rules_fence.go", Suite: stories,
		What: "Sessions that wait for an acknowledgement on a deposed writer are left to be acknowledged by a later reign.",
		Old:  `v.Probe.Up && v.Probe.Waiting > 0 && v.Term.Epoch == 0`,
		New:  `v.Probe.Up && v.Probe.Waiting > 99 && v.Term.Epoch == 0`,
	},
	{
		Name: "old-view-acted-upon", Rules: []string{"R16"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A host acts on a reading of etcd that is older than what it wrote itself.",
		Old:  `return v.Cluster.Rev < v.Seen.Rev || v.Cluster.Rev == 0 }`,
		New:  `return v.Cluster.Rev == 0 }`,
	},
	{
		Name: "half-ended-reign-goes-on", Rules: []string{"R13"}, File: "topology/rules_fence.go", Suite: stories,
		What: "While a reign is being given up the host goes on deciding as if it reigned.",
		Old:  `func(v *View) bool { return v.Term.Epoch > 0 && v.Term.Ending }`,
		New:  `func(v *View) bool { return false }`,
	},
	{
		Name: "stranger-serves", Rules: []string{"R53"}, File: "topology/rules_fence.go", Suite: stories,
		What: "A host that the cluster file no longer names goes on serving.",
		Old:  `run ` + "`mmmctl apply`\", v.Self), !member",
		New:  `run ` + "`mmmctl apply`\", v.Self), !member && false",
	},
	{
		Name: "address-without-mysqld", Rules: []string{"R10", "G3"}, File: "topology/rules_vip.go", Suite: stories,
		What: "A host answers for a VIP while its mysqld does not answer.",
		Old:  "var out []netip.Addr\n\tif !v.Probe.Up {\n",
		New:  "var out []netip.Addr\n\tif v.Probe.Up && !v.Probe.Up {\n",
	},
	{
		Name: "claim-of-another-lease", Rules: []string{"R54"}, File: "topology/rules_vip.go", Suite: stories,
		What: "An address is served on a claim that hangs on an earlier lease and may be given to another host.",
		Old:  `c.Lease == v.Lease.ID && c.Value.ID == v.ID &&`,
		New:  `c.Value.ID == v.ID &&`,
	},
	{
		Name: "given-up-address-comes-back", Rules: []string{"R54"}, File: "topology/rules_vip.go", Suite: stories,
		What: "An address that was taken down to be given up is put back as long as etcd still seems to show the claim.",
		Old:  `v.mayServe(vip) && !v.left(vip)`,
		New:  `v.mayServe(vip)`,
	},
	{
		Name: "claim-of-a-held-address", Rules: []string{"R54"}, File: "topology/rules_vip.go", Suite: stories,
		What: "A host claims a reader VIP while another one still holds it.",
		Old:  `if _, held := v.Cluster.Claims[vip]; !held && want[vip] == v.Self {`,
		New:  `if want[vip] == v.Self && v.Cluster.Claims[vip].Value.ID != v.ID {`,
	},
	{
		Name: "writers-address-too-early", Rules: []string{"R39"}, File: "topology/rules_vip.go", Suite: stories,
		What: "The writer's VIP goes up before the reign is ready.",
		Old:  `v.carried() || v.opened() && v.phase() == Ready && !(drains && s.Step != Asked) {`,
		New:  `v.carried() || v.reigns() && !(drains && s.Step != Asked) {`,
	},
	{
		Name: "passive-ignored", Rules: []string{"R35"}, File: "topology/rules_vip.go", Suite: stories,
		What: "In mode PASSIVE addresses are claimed all the same.",
		Old:  "if v.Cluster.ModeNow() == Passive {\n\t\treturn v.pinnedHere()",
		New:  "if v.Cluster.ModeNow() == \"\" {\n\t\treturn v.pinnedHere()",
	},
	{
		Name: "resting-fence", Rules: []string{"R12"}, File: "topology/decide.go", Suite: stories,
		What: "A closing that did not work rests before it is tried again, like any other action.",
		Old:  `return ok && a.Kind.Lane() != LaneFence && f.Unit == a.Unit()`,
		New:  `return ok && f.Unit == a.Unit()`,
	},
}

// reigns are the bugs between a won key and an open door, and of the acker set.
var reigns = []Mutant{
	{
		Name: "winner-short-of-best", Rules: []string{"R36"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A winner that lacks what the best bid held goes on all the same.",
		Old:  `v.step(CatchingUp) && !v.Probe.Received.Contains(best)`,
		New:  `false && v.step(CatchingUp) && !v.Probe.Received.Contains(best)`,
	},
	{
		Name: "relay-log-not-drained", Rules: []string{"R36"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The winner becomes a source before it has applied what it received (MMM's F2 and F9).",
		Old:  `v.step(CatchingUp) && !v.Probe.Applied.Contains(v.Probe.Received)`,
		New:  `false && v.step(CatchingUp) && !v.Probe.Applied.Contains(v.Probe.Received)`,
	},
	{
		Name: "stuck-winner-stays", Rules: []string{"R36"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A winner whose SQL thread has died waits for itself for ever.",
		Old:  `v.step(CatchingUp) && r.Configured && !r.SQL && r.Error != ""`,
		New:  `false && r.Configured && !r.SQL && r.Error != ""`,
	},
	{
		Name: "no-jump-of-numbers", Rules: []string{"R37"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The first transaction of a reign takes the next number, which a lost tail may have had.",
		Old:  `Jump: v.highest() + rowGap + uint64(v.Term.Epoch)})`,
		New:  `Jump: v.highest() + 1})`,
	},
	{
		Name: "jump-from-own-log-only", Rules: []string{"R37"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The jump starts from the winner's own number and not from the highest of any bid or report.",
		Old:  `return one(Action{Kind: WriteRow, Epoch: v.Term.Epoch, Jump: v.highest() + rowGap + uint64(v.Term.Epoch)})`,
		New:  `return one(Action{Kind: WriteRow, Epoch: v.Term.Epoch, Jump: v.Probe.Position.Highest() + rowGap + uint64(v.Term.Epoch)})`,
	},
	{
		Name: "reign-put-at-win", Rules: []string{"R38"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The acker set is written with every live host in it, before any of them has the epoch row.",
		Old:  `e.Value.EpochRow == v.Term.Epoch {`,
		New:  `e.Value.EpochRow <= v.Term.Epoch {`,
	},
	{
		Name: "writer-counts-itself", Rules: []string{"R23"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The writer is a member of its own acker set.",
		Old:  `if id != v.ID && e.Value.MySQL.Up && e.Value.EpochRow == v.Term.Epoch {`,
		New:  `if e.Value.MySQL.Up && e.Value.EpochRow == v.Term.Epoch {`,
	},
	{
		Name: "reign-without-ackers", Rules: []string{"R24", "R38"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A winner that has no live replica writes down an empty acker set and opens.",
		Old:  `if len(have) == 0 || (grace && len(have) < len(v.replicas())) {`,
		New:  `if grace && len(have) < len(v.replicas()) {`,
	},
	{
		Name: "open-before-the-acker-set", Rules: []string{"R39"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The door opens before the acker set is seen in etcd.",
		Old:  `return v.opened() && v.phase() == Opening`,
		New:  `return v.reigns() && v.phase() == Opening`,
	},
	{
		Name: "closed-not-taken-back", Rules: []string{"R60"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A reign that goes on after a clean stop opens before it has taken back what it said about its end.",
		Old:  `v.Cluster.Reign.Value.Closed == nil // it must be seen cleared first (R60)`,
		New:  `true`,
	},
	{
		Name: "narrow-before-the-cut", Rules: []string{"R23"}, File: "topology/rules_reign.go", Suite: stories,
		What: "An acker leaves the set while it is still attached and can acknowledge alone.",
		Old:  `if _, cut := v.Seen.Cut[id]; !cut {`,
		New:  `if _, cut := v.Seen.Cut[id]; !cut && v.Probe.Waiting > 0 {`,
	},
	{
		Name: "narrow-before-caught-up", Rules: []string{"R23"}, File: "topology/rules_reign.go", Suite: stories,
		What: "An acker leaves the set although those that stay lack what only it has acknowledged.",
		Old:  `v.holders(r.Ackers, v.Seen.Cut[id]) < r.W {`,
		New:  `v.holders(r.Ackers, v.Seen.Cut[id]) < 0 {`,
	},
	{
		Name: "holders-of-other-runs", Rules: []string{"R23", "R25"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A member that lost its relay log in a restart counts among those that hold the writer's position.",
		Old:  `ok && r.Value.Incarnation == inc && r.Value.Received.Contains(pos)`,
		New:  `ok && inc != "" && r.Value.Received.Contains(pos)`,
	},
	{
		Name: "set-narrowed-to-nobody", Rules: []string{"R24"}, File: "topology/rules_reign.go", Suite: stories,
		What: "The last acker leaves the set, and the writer acknowledges alone.",
		Old:  "default:\n\t\t\treturn nil\n\t\t}\n\t}\n\tfor _, id := range leaving {\n\t\tif _, cut",
		New:  "default:\n\t\t}\n\t}\n\tfor _, id := range leaving {\n\t\tif _, cut",
	},
	{
		Name: "restarted-acker-stays", Rules: []string{"R25"}, File: "topology/rules_reign.go", Suite: stories,
		What: "An acker whose mysqld was restarted stays in the set under its old name.",
		Old:  `case e.Value.Incarnation == "" || e.Value.Incarnation != v.Cluster.Reign.Value.Ackers[id]:`,
		New:  `case e.Value.Incarnation == "":`,
	},
	{
		Name: "outsiders-attach", Rules: []string{"R21"}, File: "topology/rules_reign.go", Suite: stories,
		What: "A host that the writer does not count on may attach, and so acknowledge.",
		Old:  `(!acks || v.leaves(id) != "") && !comes {`,
		New:  `!acks && v.leaves(id) != "" && !comes {`,
	},
	{
		Name: "acknowledge-before-counted", Rules: []string{"R22", "R25"}, File: "topology/rules_follow.go", Suite: stories,
		What: "A host acknowledges because an earlier run of its mysqld was in the set.",
		Old:  `(r.Ackers[v.ID] == v.Probe.Incarnation ||`,
		New:  `(r.Ackers[v.ID] != "" ||`,
	},
	{
		Name: "no-nudge", Rules: []string{"R27"}, File: "topology/rules_reign.go", Suite: stories,
		What: "Nobody releases a session whose acknowledgement was lost with its connection.",
		Old:  `return v.reigns() && v.waits(nudgeAfter) &&`,
		New:  `return false && v.reigns() && v.waits(nudgeAfter) &&`,
	},
	{
		Name: "no-reattach", Rules: []string{"R27"}, File: "topology/rules_follow.go", Suite: stories,
		What: "Sessions that a nudge cannot release wait for ever.",
		Old:  `v.Probe.Applied.Contains(v.Probe.Received) && v.Cluster.Hosts[v.Cluster.Writer.Value.ID].Value.Stuck`,
		New:  `false && v.Cluster.Hosts[v.Cluster.Writer.Value.ID].Value.Stuck`,
	},
	{
		Name: "repoint-drops-the-relay-log", Rules: []string{"R40"}, File: "topology/rules_follow.go", Suite: stories,
		What: "A replica is pointed at the new writer while its relay log holds what is not applied.",
		Old:  `v.astray() && v.counted() && v.Probe.Applied.Contains(v.Probe.Received)`,
		New:  `v.astray() && v.counted()`,
	},
	{
		Name: "start-with-both-threads-stopped", Rules: []string{"R11", "R40"}, File: "topology/rules_follow.go", Suite: stories,
		What: "The SQL thread is started while the IO thread is stopped, which deletes the relay log.",
		Old:  `lives := r.IO == "Yes" || r.IO == "Connecting" || r.IO == "Preparing"`,
		New:  `lives := r.IO != ""`,
	},
	{
		Name: "new-host-under-an-old-name", Rules: []string{"R48"}, File: "topology/rules_memory.go", Suite: stories,
		What: "A host that was set up anew under an old name is trusted like the old one.",
		Old:  `return v.memory().Present() && v.memory().Value.ID != v.ID && v.Probe.Up`,
		New:  `return false && v.memory().Value.ID != v.ID && v.Probe.Up`,
	},
	{
		Name: "restart-is-forgotten", Rules: []string{"R46"}, File: "topology/rules_memory.go", Suite: stories,
		What: "A host whose mysqld was restarted is ONLINE at once and never AWAITING_RECOVERY.",
		Old:  `m.ID == v.ID && v.Probe.Up && m.Cleared != v.Probe.Incarnation && m.Seen != v.Probe.Incarnation`,
		New:  `m.ID == v.ID && v.Probe.Up && m.Cleared == "" && m.Seen != v.Probe.Incarnation`,
	},
}

// orders are the bugs of a planned switchover.
var orders = []Mutant{
	{
		Name: "open-again-before-the-undo", Rules: []string{"R44"}, File: "topology/rules_order.go", Suite: stories,
		What: "The old writer opens again in the same breath in which it asks for the undo.",
		Old:  "a[0].Kind = Undo\n\t\t\treturn a\n",
		New:  "a[0].Kind = Undo\n\t\t\treturn append(v.open(), a...)\n",
	},
	{
		Name: "hand-over-before-the-target-is-ready", Rules: []string{"R43"}, File: "topology/rules_order.go", Suite: stories,
		What: "The key changes hands as soon as the old writer is read-only.",
		Old:  `return s.Target + " has everything", ok && s.Step == TargetReady`,
		New:  `return s.Target + " has everything", ok && (s.Step == TargetReady || s.Step == Drained)`,
	},
	{
		Name: "target-ready-too-early", Rules: []string{"R42"}, File: "topology/rules_order.go", Suite: stories,
		What: "The target says that it has everything before it has applied what the old writer wrote.",
		Old:  `v.Probe.Up && v.Probe.Applied.Contains(s.Position)`,
		New:  `v.Probe.Up`,
	},
	{
		Name: "foreign-order-goes-on", Rules: []string{"R45"}, File: "topology/rules_order.go", Suite: stories,
		What: "An order that was meant for another reign is carried out by the next writer.",
		Old:  `v.reigns() && v.orderOpen() && !mine`,
		New:  `false && v.reigns() && v.orderOpen() && !mine`,
	},
	{
		Name: "unfit-target-taken", Rules: []string{"R41"}, File: "topology/rules_order.go", Suite: stories,
		What: "A switchover begins although its target is not in the acker set.",
		Old:  `case !acks || inc != rep.Incarnation:`,
		New:  `case !acks && inc != rep.Incarnation && now.IsZero():`,
	},
	{
		Name: "no-limit-for-the-target", Rules: []string{"R43", "G7"}, File: "topology/rules_order.go", Suite: stories,
		What: "A target that never catches up keeps the cluster without a writer for ever (MMM's F14).",
		Old:  `v.Now.Sub(v.Seen.Drained) > drainLimit`,
		New:  `false`,
	},
}
