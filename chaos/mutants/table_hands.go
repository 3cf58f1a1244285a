package mutants

import "time"

// agents are the tests of one agent with everything around it played.
var agents = Suite{Name: "one agent, the world played", Pkg: "./agent/...", Limit: 4 * time.Minute}

// hands are the bugs of carrying decisions out.
var hands = []Mutant{
	{
		Name: "key-deleted-before-the-close", Rules: []string{"R8", "R13"}, File: "agent/act_fence.go", Suite: agents,
		What: "The writer key is given back although closing did not work.",
		Old:  "if err := a.shut(ctx, j.probe, patienceFor(j)); err != nil {\n\t\treturn nil, err\n\t}\n\ta.remembered",
		New:  "_ = a.shut(ctx, j.probe, patienceFor(j))\n\ta.remembered",
	},
	{
		Name: "close-without-read-only", Rules: []string{"R12"}, File: "agent/act_fence.go", Suite: agents,
		What: "A demotion takes the addresses away and leaves mysqld writable.",
		Old:  `alive(last.Incarnation) && a.closeServer(hurry) == nil {`,
		New:  `alive(last.Incarnation) {`,
	},
	{
		Name: "waiter-survives-the-close", Rules: []string{"R12"}, File: "agent/act_fence.go", Suite: agents,
		What: "A host counts as closed although somebody waits there for an acknowledgement.",
		Old:  `case p.Waiting > 0:`,
		New:  `case p.Waiting > 99:`,
	},
	{
		Name: "hung-mysqld-is-left", Rules: []string{"R12", "R13"}, File: "agent/act_fence.go", Suite: agents,
		What: "A mysqld that cannot be made read-only in time is left alone.",
		Old:  `return errors.Join(closed, a.kill(ctx, last))`,
		New:  `return closed`,
	},
	{
		Name: "patience-beyond-the-lease", Rules: []string{"R12"}, File: "agent/act_fence.go", Suite: agents,
		What: "A demotion waits for read_only longer than the lease lasts.",
		Old:  `return max(patienceLate, min(patience, j.session.Left()))`,
		New:  `return max(patienceLate, patience)`,
	},
	{
		Name: "writable-before-the-port", Rules: []string{"R8"}, File: "agent/door.go", Suite: agents,
		What: "mysqld is made writable before the port has its timed element.",
		Old:  "err := a.gate.Open(ctx, j.session.Left())\n\tif err == nil {\n\t\terr = a.unlock(ctx, j.probe.Incarnation)\n\t}\n",
		New:  "err := a.unlock(ctx, j.probe.Incarnation)\n\tif err == nil {\n\t\terr = a.gate.Open(ctx, j.session.Left())\n\t}\n",
	},
	{
		Name: "opened-without-a-lease", Rules: []string{"R39"}, File: "agent/door.go", Suite: agents,
		What: "The lease is not looked at again before the door opens.",
		Old:  `case j.session == nil || j.session.Left() <= 0:`,
		New:  `case j.session == nil:`,
	},
	{
		Name: "void-opening-stays-open", Rules: []string{"R4"}, File: "agent/door.go", Suite: agents,
		What: "An opening that was void by the time it was done stays open.",
		Old:  `if gone := j.void(ctx); gone != nil { // the clock is read after the write, too (R4)`,
		New:  `if gone := j.void(ctx); gone != nil && false {`,
	},
	{
		Name: "address-before-the-lease", Rules: []string{"R10"}, File: "agent/door.go", Suite: agents,
		What: "An address goes up although the lease has run out meanwhile.",
		Old:  "if err := j.void(ctx); err != nil {\n\t\treturn err\n\t}\n\terr := a.vips.Reconcile(ctx, want, j.session.Left())",
		New:  "err := a.vips.Reconcile(ctx, want, j.session.Left())",
	},
	{
		Name: "unlock-cut-half-way", Rules: []string{"R8"}, File: "agent/door.go", Suite: agents,
		What: "A server that may yet become writable is taken for a closed one.",
		Old:  "a.unsure = inc\n",
		New:  "_ = inc\n",
	},
	{
		Name: "bid-with-a-running-io-thread", Rules: []string{"R11"}, File: "agent/act_election.go", Suite: agents,
		What: "A host bids although its IO thread was not seen stopped.",
		Old:  `case p.Replication.Configured && p.Replication.IO != "No":`,
		New:  `case false:`,
	},
	{
		Name: "bid-with-a-stopped-sql-thread", Rules: []string{"R11"}, File: "agent/act_election.go", Suite: agents,
		What: "A replica whose SQL thread stopped a moment ago bids, and can never apply what it holds.",
		Old:  `if err := a.db.StartSQL(ctx); err != nil {`,
		New:  `if err := ctx.Err(); err != nil {`,
	},
	{
		Name: "refused-by-a-writer-that-was", Rules: []string{"R33"}, File: "agent/act_election.go", Suite: agents,
		What: "A host that is no writer any more keeps others from what they have to fetch from it.",
		Old:  "if err := a.ports.Refuse(ctx, nil, portOf(j, a.opt.Host)); err != nil {\n\t\treturn nil, err\n\t}\n",
		New:  "",
	},
	{
		Name: "bid-for-another-run", Rules: []string{"R28"}, File: "agent/act_election.go", Suite: agents,
		What: "A bid names a mysqld that was restarted before its position was read.",
		Old:  `case p.Incarnation != b.Incarnation:`,
		New:  `case false:`,
	},
	{
		Name: "io-thread-starts-under-a-bid", Rules: []string{"R29"}, File: "agent/act_follow.go", Suite: agents,
		What: "A host replicates again before its bid is seen deleted.",
		Old:  `if j.Bid != nil {`,
		New:  `if j.Bid != nil && j.BidRev < 0 {`,
	},
	{
		Name: "dropped-relay-log-not-told", Rules: []string{"R40"}, File: "agent/step/bid.go", Suite: agents,
		What: "A host that lost what it bid before bids again as if nothing had been.",
		Old:  `case !now.Received.Contains(before.Received):`,
		New:  `case false:`,
	},
	{
		Name: "reign-rests-on-the-next-lease", Rules: []string{"R3"}, File: "agent/step/state.go", Suite: agents,
		What: "A reign goes on under a new lease although its key hung on the old one.",
		Old:  `return lease != 0 && (s.Term.Epoch == 0 || s.Term.Under == lease)`,
		New:  `return lease != 0`,
	},
	{
		Name: "resumes-blindly", Rules: []string{"R5"}, File: "agent/step/state.go", Suite: agents,
		What: "A restarted agent resumes its reign without asking whether mysqld is the same.",
		Old:  `now != "" && now == inc && c.Phase.Value.Incarnation == now && s.Probe.Up`,
		New:  `now != "" && s.Probe.Up`,
	},
	{
		Name: "resumes-another-epoch", Rules: []string{"R5"}, File: "agent/step/state.go", Suite: agents,
		What: "A restarted agent resumes a reign although the key is of another epoch.",
		Old:  `return w.Rev == epoch && w.Value.ID == s.ID && w.Lease == lease &&`,
		New:  `return w.Value.ID == s.ID && w.Lease == lease &&`,
	},
	{
		Name: "drain-of-a-moving-server", Rules: []string{"R42"}, File: "agent/act_reign.go", Suite: agents,
		What: "The old writer says where it stopped while somebody still writes.",
		Old:  `case !first.Position.Equal(again.Position):`,
		New:  `case false:`,
	},
	{
		Name: "target-does-not-look", Rules: []string{"R42"}, File: "agent/act_reign.go", Suite: agents,
		What: "The target says that it is ready without looking what it has applied.",
		Old:  `if !p.Applied.Contains(j.Position) {`,
		New:  `if false {`,
	},
	{
		Name: "position-before-the-cut", Rules: []string{"R23"}, File: "agent/act_reign.go", Suite: agents,
		What: "An acker is let go without ending its connection, over which it acknowledges on.",
		Old:  "if _, err := a.db.DisconnectReplica(ctx, j.Addr); err != nil {\n\t\treturn nil, err\n\t}\n",
		New:  "",
	},
	{
		Name: "measured-by-an-old-etcd", Rules: []string{"R17"}, File: "agent/step/turn.go", Suite: agents,
		What: "A host measures what it holds by the writer that an etcd from an old copy shows, and its bid counts no longer once etcd is recovered.",
		Old:  `if s.Probe.Up && !s.doubts() {`,
		New:  `if s.Probe.Up {`,
	},
	{
		Name: "claim-given-up-before-the-address", Rules: []string{"R54"}, File: "agent/act_vip.go", Suite: agents,
		What: "A reader VIP is given to others while its address is still up here.",
		Old:  "if err := a.vips.Drop(ctx, j.VIPs...); err != nil {\n\t\treturn nil, err\n\t}\n\tclaim := j.cluster.Claims[j.VIPs[0]].Rev\n\tleft := step.Left(j.VIPs[0], claim)\n\trev, err := a.store.ReleaseVIP(ctx, j.VIPs[0], claim)\n\tif err != nil {\n\t\treturn left, err\n\t}\n",
		New:  "claim := j.cluster.Claims[j.VIPs[0]].Rev\n\tleft := step.Left(j.VIPs[0], claim)\n\trev, err := a.store.ReleaseVIP(ctx, j.VIPs[0], claim)\n\tif err != nil {\n\t\treturn left, err\n\t}\n\tif err := a.vips.Drop(ctx, j.VIPs...); err != nil {\n\t\treturn nil, err\n\t}\n",
	},
	{
		Name: "dead-man-sleeps", Rules: []string{"R12"}, File: "agent/lifetimes.go", Suite: agents,
		What: "Nothing closes when no renewal comes and the loop hangs.",
		Old:  `if errors.Is(err, election.ErrExpired) {`,
		New:  `if errors.Is(err, election.ErrGone) {`,
	},
	{
		Name: "gone-lease-closes-nothing", Rules: []string{"R3"}, File: "agent/lifetimes.go", Suite: agents,
		What: "When etcd says that the lease is gone nothing is closed before the deadline.",
		Old:  "if !ok {\n\t\t\t\ta.lapse(ctx)\n",
		New:  "if !ok {\n",
	},
	{
		Name: "release-before-an-acker-has-all", Rules: []string{"R60"}, File: "agent/release.go", Suite: agents,
		What: "A clean stop writes down where it ended although no acker has received that.",
		Old:  `r.Value.Incarnation == inc && r.Value.Received.Contains(p.Position) {`,
		New:  `r.Value.Incarnation == inc {`,
	},
	{
		Name: "full-server-counts-as-hung", Rules: []string{"G3"}, File: "agent/probe.go", Suite: agents,
		What: "A server without a free connection is taken for a hung one, and a flood of clients causes a failover.",
		Old:  "if !full {\n\t\tp.misses++\n\t\tp.last.Missed = true\n\t}",
		New:  "p.misses++\n\tp.last.Missed = true",
	},
	{
		Name: "fence-waits-for-its-lane", Rules: []string{"R12"}, File: "agent/step/turn.go", Suite: agents,
		What: "A closing does not end what else runs, and can be overtaken by an opening.",
		Old:  "ends = s.others(lane)\n",
		New:  "",
	},
	{
		Name: "older-reading-taken", Rules: []string{"R16"}, File: "agent/step/state.go", Suite: agents,
		What: "A reading of mysqld that began before the last one is taken for news.",
		Old:  `if p.At.Before(s.Probe.At) {`,
		New:  `if p.At.IsZero() && s.Probe.Up && !p.Up {`,
	},
	{
		Name: "epoch-of-another-cluster", Rules: []string{"R17"}, File: "agent/step/state.go", Suite: agents,
		What: "An epoch row that came with the data of another cluster counts as an epoch that was seen.",
		Old:  `if id := s.Cluster.Spec.Value.ID; id == "" || p.Epoch.Cluster != id {`,
		New:  `if id := s.Cluster.Spec.Value.ID; id == "" {`,
	},
	{
		Name: "cut-remembered-too-long", Rules: []string{"R23"}, File: "agent/step/note.go", Suite: agents,
		What: "An acker that was cut off, came back and goes again is let go by the position of the first time.",
		Old:  `if was && slices.Contains(seen.Shunned, h.Address) && slices.Contains(shun, h.Address) {`,
		New:  `if was && (slices.Contains(shun, h.Address) || h.Name != "") {`,
	},
	{
		Name: "cut-remembered-over-reigns", Rules: []string{"R23"}, File: "agent/step/note.go", Suite: agents,
		What: "A new reign takes over who was cut off in the one before.",
		Old:  "s.Seen.Cut = map[topology.HostID]gtid.Set{}\n",
		New:  "_ = gtid.Set{}\n",
	},
	{
		Name: "end-of-another-reign", Rules: []string{"R15"}, File: "agent/step/note.go", Suite: agents,
		What: "The end of an earlier epoch ends the reign that has begun since.",
		Old:  `if s.Term.Epoch == epoch {`,
		New:  `if s.Term.Epoch >= epoch {`,
	},
	{
		Name: "own-write-not-noted", Rules: []string{"R16"}, File: "agent/step/note.go", Suite: agents,
		What: "A host forgets what revision it has written, and acts on an older view.",
		Old:  `return func(s *State) { s.Seen.Rev = max(s.Seen.Rev, rev) }`,
		New:  `return func(s *State) { s.Seen.Rev = min(s.Seen.Rev, rev) }`,
	},
	{
		Name: "order-counts-from-the-last-one", Rules: []string{"R41"}, File: "agent/step/state.go", Suite: agents,
		What: "A new order inherits the time that the last one had used up.",
		Old:  `if !open || !order.Asked.Equal(s.order) {`,
		New:  `if !open {`,
	},
}
