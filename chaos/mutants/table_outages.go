package mutants

// outages are the bugs of the agent that goes on without etcd, and of what it
// hears from other hosts.
var outages = []Mutant{
	{
		Name: "most-promises-are-enough", Rules: []string{"R50"}, File: "agent/failsafe.go", Suite: agents,
		What: "A writer without etcd goes on when most of the others promise, and the one that did not runs.",
		Old:  "if len(missing) > 0 {\n\t\t\tcontinue\n\t\t}",
		New:  "if len(missing) > (len(w.hosts)+1)/2 {\n\t\t\tcontinue\n\t\t}",
	},
	{
		Name: "promises-count-from-the-last-answer", Rules: []string{"R1", "R50"}, File: "agent/failsafe.go", Suite: agents,
		What: "What all promised is counted from the last answer instead of from before the first question.",
		Old:  "a.tellOutage(&told, w, missing)\n",
		New:  "sent = a.clock.Now()\n\t\ta.tellOutage(&told, w, missing)\n",
	},
	{
		Name: "promises-of-an-older-list", Rules: []string{"R50"}, File: "agent/failsafe.go", Suite: agents,
		What: "A round counts although somebody else must promise by now.",
		Old:  `if a.failsafe.wanted.Load() != w {`,
		New:  `if a.failsafe.wanted.Load() == nil {`,
	},
	{
		Name: "promises-instead-of-a-lease", Rules: []string{"R3", "R49"}, File: "agent/failsafe.go", Suite: agents,
		What: "A writer whose lease etcd has called gone asks the others to keep still for it.",
		Old:  `return s, errors.Is(err, election.ErrUnreachable) && !errors.Is(err, election.ErrGone)`,
		New:  `return s, err != nil && !errors.Is(err, nil)`,
	},
	{
		Name: "promises-of-another-reign", Rules: []string{"R50"}, File: "agent/lifetimes.go", Suite: agents,
		What: "What was promised to an earlier reign of this host extends the present one.",
		Old:  `if p.epoch != topology.Rev(a.reignOf.Load()) || !g.guard.Extend(p.deadline) {`,
		New:  `if !g.guard.Extend(p.deadline) {`,
	},
	{
		Name: "round-outlives-its-record", Rules: []string{"R16", "R50"}, File: "agent/act_failsafe.go", Suite: agents,
		What: "A round counts that was begun before a record with another voter was sent.",
		Old:  `if act.Kind == topology.PutReign {`,
		New:  `if act.Kind == topology.Bury {`,
	},
	{
		Name: "carried-for-ever", Rules: []string{"R52"}, File: "agent/act_failsafe.go", Suite: agents,
		What: "A reign that etcd let go of is carried on after the promises have run out.",
		Old:  "a.failsafe.count(pledge{})\n\t\t\treturn next, false",
		New:  "expired = nil\n\t\t\tcontinue",
	},
	{
		Name: "carried-without-a-new-key", Rules: []string{"R52"}, File: "agent/act_failsafe.go", Suite: agents,
		What: "A writer that has a new lease counts as reigning by it before it has put its key again.",
		Old:  `if next.session != nil && (again || !a.reigning.Load()) {`,
		New:  `if next.session != nil && (again || next.session != nil) {`,
	},
	{
		Name: "promise-answered-before-the-disk", Rules: []string{"R51"}, File: "agent/promise.go", Suite: agents,
		What: "A promise that could not be written to disk is given all the same.",
		Old:  "return \"this host cannot keep a promise on disk\"",
		New:  "return \"\"",
	},
	{
		Name: "promise-binds-too-late", Rules: []string{"R51"}, File: "agent/promise.go", Suite: agents,
		What: "A promise binds only from the answer on, and a campaign may be sent between judging and answering.",
		Old:  "a.failsafe.promises.Bind(m)\n",
		New:  "",
	},
	{
		Name: "promise-of-a-year", Rules: []string{"R49"}, File: "internal/peer/server.go", Suite: asks,
		What: "A host promises to keep still for as long as anybody asks.",
		Old:  `case q.TTL <= 0 || q.TTL > mostTTL:`,
		New:  `case q.TTL <= 0:`,
	},
	{
		Name: "stamp-of-another-asker", Rules: []string{"R49"}, File: "internal/peer/stamp.go", Suite: asks,
		What: "A stamp that was given to one host counts for another.",
		Old:  "_, _ = mac.Write([]byte(asker))\n",
		New:  "_ = asker\n",
	},
	{
		Name: "strangers-are-heard", Rules: []string{"R49"}, File: "internal/peer/server.go", Suite: asks,
		What: "Anybody on the network may hold the peer port's connections.",
		Old:  `if err == nil && k.may(from.Addr().Unmap()) {`,
		New:  `if err == nil && from.IsValid() {`,
	},
	{
		Name: "flood-of-asks", Rules: []string{"R49", "G6"}, File: "internal/peer/rates.go", Suite: asks,
		What: "A host that asks without a pause keeps another one busy with nothing else.",
		Old:  `may := b.left >= 1`,
		New:  `may := b.left >= -1e9`,
	},
	{
		Name: "retaken-over-another-writer", Rules: []string{"R52"}, File: "internal/store/retake.go", Suite: etcdLosses,
		What: "A reign is taken again although somebody else has won meanwhile.",
		Old:  `guards: append([]guard{{writerKey, 0}}, r.Guards.list...),`,
		New:  `guards: r.Guards.list,`,
	},
	{
		Name: "retaken-without-guards", Rules: []string{"R34", "R52"}, File: "internal/store/retake.go", Suite: etcdLosses,
		What: "A reign is taken again on a record, a cluster file or a mode that has changed.",
		Old:  `for _, key := range []string{reignKey, specKey, modeKey, intentKey(r.Writer.Name)} {`,
		New:  `for _, key := range []string{reignKey} {`,
	},
	{
		Name: "readers-need-no-promise", Rules: []string{"R54"}, File: "topology/promise.go", Suite: stories,
		What: "Who serves reader VIPs asks nobody when etcd is away, and gives them up in every outage.",
		Old:  `(v.Term.Epoch > 0 || len(v.VIPs) == 0) {`,
		New:  `(v.Term.Epoch > 0 || len(v.VIPs) >= 0) {`,
	},
	{
		Name: "kept-vip-served-twice", Rules: []string{"R54"}, File: "topology/promise.go", Suite: stories,
		What: "A host that promised to claim no VIP brings one up on a claim of before the outage.",
		Old:  `return v.Failsafe.Claim <= 0 || slices.Contains(v.VIPs, addr)`,
		New:  `return v.Failsafe.Claim <= 0 || addr.IsValid()`,
	},
}
