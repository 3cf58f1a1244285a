package mutants

import "time"

// orders of operators are tried against a cluster that is played.
var commands = Suite{Name: "commands on a played cluster", Pkg: "./internal/ctl", Limit: 2 * time.Minute}

// etcdLosses are the writes that rest on an operator's word.
var etcdLosses = Suite{Name: "an operator's word in a real etcd", Pkg: "./internal/store", Limit: 2 * time.Minute,
	Run: "Loss|Tombstone|Recovery|Retake|TakenAgain"}

// losses are the bugs of going on without proof, and of an etcd that went back.
var losses = []Mutant{
	{
		Name: "loss-accepted-again-and-again", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "An operator's word counts again in the election after the one that it was given for.",
		Old:  `return s, ok && s.Step == Asked && s.Loss != nil && s.Epoch == c.LastEpoch()`,
		New:  `return s, ok && s.Step == Asked && s.Loss != nil`,
	},
	{
		Name: "more-lost-than-was-shown", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "Another host went missing since the operator looked, and his word counts all the same.",
		Old:  `if !slices.ContainsFunc(s.Loss.Missing, func(o Missing) bool { return o.ID == m.ID }) {`,
		New:  `if len(s.Loss.Missing) == 0 {`,
	},
	{
		Name: "told-safe-and-given-up", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "Who held what the operator was told is safe is gone by now, and it is given up unseen.",
		Old:  `if !p.Best.Contains(s.Loss.Kept) {`,
		New:  `if false {`,
	},
	{
		Name: "given-up-hosts-not-written-down", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "The tombstone does not name who was missing, so that host comes back as if nothing had happened.",
		Old:  "if _, heard := validBids(v.Cluster)[m.ID]; !heard {",
		New:  "if _, heard := validBids(v.Cluster)[m.ID]; heard {",
	},
	{
		Name: "earlier-given-up-hosts-forgotten", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "A second word for the same epoch overwrites whom the first one had given up.",
		Old:  "t.Hosts = append(t.Hosts, v.Cluster.Tombstones[s.Epoch].Value.Hosts...)\n",
		New:  "",
	},
	{
		Name: "given-up-host-attaches", Rules: []string{"R30", "R46"}, File: "topology/loss.go", Suite: stories,
		What: "A host that was given up attaches by itself, and what it alone held is thrown away unseen.",
		Old:  `if slices.Contains(t.Value.Hosts, id) && !judged {`,
		New:  `if slices.Contains(t.Value.Hosts, id) && judged {`,
	},
	{
		Name: "old-intent-is-a-verdict", Rules: []string{"R30", "R46"}, File: "topology/loss.go", Suite: stories,
		What: "That a host was once set online counts as the verdict on what it held when it was given up later.",
		Old:  `i.Present() && i.Value.Want == WantOnline && i.Rev > t.Rev || order.Rev > t.Rev`,
		New:  `i.Present() && i.Value.Want == WantOnline || order.Rev > t.Rev`,
	},
	{
		Name: "buried-before-it-acknowledges", Rules: []string{"R30"}, File: "topology/loss.go", Suite: stories,
		What: "A tombstone forgets a host as soon as it answers again, before anybody looked at what it holds.",
		Old:  "back := live && !held && e.Value.Incarnation != \"\" && v.Cluster.Reign.Value.Ackers[id] == e.Value.Incarnation &&\n\t\t\te.Value.EpochRow == v.Term.Epoch && e.Value.Replication.Attached",
		New:  "back := live && !(held && e.Value.Incarnation == \"\")",
	},
	{
		Name: "word-not-used-up", Rules: []string{"R30", "R34"}, File: "internal/store/loss.go", Suite: etcdLosses,
		What: "The campaign that wins by an operator's word leaves the order open, and it counts once more.",
		Old:  `ch.puts = append(ch.puts, order, tomb)`,
		New:  "_ = order\n\tch.puts = append(ch.puts, tomb)",
	},
	{
		Name: "word-without-its-guard", Rules: []string{"R30", "R34"}, File: "internal/store/loss.go", Suite: etcdLosses,
		What: "A campaign by an operator's word wins although he has taken it back meanwhile.",
		Old:  `if !(Guards{ch.guards}).has(switchoverKey) || l.Order.Step`,
		New:  `if l.Order.Step`,
	},
	{
		Name: "tombstone-over-a-tombstone", Rules: []string{"R30"}, File: "internal/store/loss.go", Suite: etcdLosses,
		What: "A tombstone is written over one that nobody has read.",
		Old:  "ch.guards = append(ch.guards, guard{tomb.key, l.Previous})\n",
		New:  "",
	},
	{
		Name: "loss-accepted-under-a-writer", Rules: []string{"R30"}, File: "internal/ctl/failover.go", Suite: commands,
		What: "An operator gives up what a writer that still reigns holds.",
		Old:  `case cl.Writer.Present():`,
		New:  `case false:`,
	},
	{
		Name: "loss-accepted-without-need", Rules: []string{"R30"}, File: "internal/ctl/failover.go", Suite: commands,
		What: "An operator gives up what the bids prove to have.",
		Old:  `case proof.OK:`,
		New:  `case false:`,
	},
	{
		Name: "loss-accepted-unasked", Rules: []string{"R30"}, File: "internal/ctl/failover.go", Suite: commands,
		What: "What is lost is not shown to anybody before it is given up.",
		Old:  "if err := c.confirm(question, doc.Target); err != nil {\n\t\treturn \"\", err\n\t}\n\treturn c.carryOutFailover",
		New:  "_ = question\n\treturn c.carryOutFailover",
	},
	{
		Name: "distrust-ends-by-itself", Rules: []string{"R17"}, File: "topology/distrust.go", Suite: stories,
		What: "An etcd that went back is believed again as soon as it has counted past what was seen.",
		Old:  `case v.Seen.Distrust.Present():`,
		New:  `case false:`,
	},
	{
		Name: "another-recovery-believed", Rules: []string{"R17"}, File: "topology/distrust.go", Suite: stories,
		What: "An operator's word from before etcd went back, which came with the old copy, lets it be believed.",
		Old:  `case r.Value.Floor >= d.Seen && r.Rev > d.Seen && r.Rev > d.At && v.Cluster.Rev >= r.Rev:`,
		New:  `case r.Present():`,
	},
	{
		Name: "recovery-below-what-was-seen", Rules: []string{"R17"}, File: "internal/store/recover.go", Suite: etcdLosses,
		What: "An etcd is believed again at a revision that some host has seen before, and epochs are given twice.",
		Old:  `for at := now.Rev; at <= r.Recovered.Floor; {`,
		New:  `for at := now.Rev; at < 0; {`,
	},
	{
		Name: "recovered-with-the-old-writer", Rules: []string{"R17"}, File: "internal/store/recover.go", Suite: etcdLosses,
		What: "The writer that the old copy names is left standing when etcd is believed again.",
		Old:  `if now.Writer.Present() {`,
		New:  `if now.Rev == 0 {`,
	},
	{
		Name: "recovered-without-the-silent", Rules: []string{"R17"}, File: "internal/ctl/recover.go", Suite: commands,
		What: "etcd is believed again although a host is silent that may have seen more than all others.",
		Old:  `case len(l.silent) > 0 && !force:`,
		New:  `case false:`,
	},
	{
		Name: "recovered-with-the-old-record", Rules: []string{"R17", "R20"}, File: "internal/ctl/recover.go", Suite: commands,
		What: "The next election rests on the acker set of the old copy although a host knows a newer one.",
		Old:  `if r.Halt.Reign.Rev > newest {`,
		New:  `if r.Halt.Reign.Rev < min(0, newest) {`,
	},
	{
		Name: "distrust-not-on-disk", Rules: []string{"R17"}, File: "agent/act_distrust.go", Suite: agents,
		What: "That etcd went back is known to the running agent only, and the next one believes it.",
		Old:  "if err := a.remembered.highest.Distrust(a.clusterID, d); err != nil {\n\t\treturn nil, err\n\t}\n\ta.log.Error(",
		New:  "a.log.Error(",
	},
	{
		Name: "late-watch-is-an-old-etcd", Rules: []string{"R17"}, File: "agent/act_distrust.go", Suite: agents,
		What: "A watch that is behind is taken for an etcd that went back, and the host stays closed until a person comes.",
		Old:  "if !d.Older(c, j.Epoch) {\n\t\treturn nil, errOnlyLate\n\t}\n",
		New:  "",
	},
}
