package mutants

import "time"

// tails are the bugs of taking in what a crash cut off.
var tails = []Mutant{
	{
		Name: "copy-of-another-run-replayed", Rules: []string{"R31"}, File: "topology/tail.go", Suite: stories,
		What: "What was kept of any earlier run is taken for that of the run which the last reign rests on.",
		Old:  `if run != "" && k.Run == run {`,
		New:  `if run != "" {`,
	},
	{
		Name: "relay-log-not-taken-in", Rules: []string{"R31"}, File: "topology/tail.go", Suite: stories,
		What: "An acker that was restarted bids without what its relay log held, and proves nothing for ever.",
		Old:  `if k == nil || !v.mayBid() || !v.Probe.Up || !v.Probe.ReadOnly || v.Cluster.Reign.Value.ID == v.ID {`,
		New:  `if k == nil || v.ID != "" {`,
	},
	{
		Name: "tail-left-where-only-it-proves", Rules: []string{"R31"}, File: "topology/tail.go", Suite: stories,
		What: "The last writer campaigns without the tail that its crash cut off, although nobody else can prove anything.",
		Old:  `return p.Why, p.OK && p.Replay == v.ID &&`,
		New:  `return p.Why, !p.OK && p.Replay == v.ID &&`,
	},
	{
		Name: "mark-passes-to-the-next-run", Rules: []string{"R31"}, File: "internal/dbops/kept.go", Suite: mariadb("MarkOfARun"),
		What: "Log files of a later run are taken for those of the run that was marked.",
		Old:  `return m, err == nil && began == m.Began`,
		New:  `return m, err == nil && began != ""`,
	},
	{
		Name: "lazy-disk-survives-a-power-cut", Rules: []string{"R31", "R14"}, File: "internal/dbops/kept.go", Suite: mariadb("MarkOfARun|RunBeforeABoot"),
		What: "A run whose settings let the disk lag behind counts as whole after the host was booted anew.",
		Old:  `return err == nil || errors.Is(err, process.ErrGone) && m.Durable`,
		New:  `return err == nil || errors.Is(err, process.ErrGone)`,
	},
	{
		Name: "number-given-twice-is-the-tail", Rules: []string{"R31", "R37"}, File: "internal/dbops/kept.go", Suite: mariadb("NumberGivenAgain"),
		What: "A server that gave the numbers of the lost tail to other rows counts as having it.",
		Old:  `return k, server.times[end] == l.times[end] && l.times[end] > 0, nil`,
		New:  `return k, server.times[end] > 0, nil`,
	},
	{
		Name: "received-is-nothing-to-keep", Rules: []string{"R14", "R31"}, File: "internal/dbops/kept.go", Suite: mariadb("CleanStop"),
		What: "After a clean stop of a replica what it had received and not applied is not kept.",
		Old:  `return len(all.ids) == len(before.ids), err`,
		New:  `return len(all.ids) >= len(before.ids), err`,
	},
	{
		Name: "oldest-copies-are-kept", Rules: []string{"R14", "R31"}, File: "internal/dbops/prestart.go", Suite: mariadb("ThreeCopies|ManyFalls"),
		What: "Of many copies the oldest are kept and the one of the last crash is deleted.",
		Old:  `rest = append(rest, copies[:max(0, len(copies)-keptCopies)]...)`,
		New:  `rest = append(rest, copies[min(len(copies), keptCopies):]...)`,
	},
	{
		Name: "replay-beside-replication", Rules: []string{"R31"}, File: "internal/dbops/replay.go", Suite: mariadb("HasTriedToFollow"),
		What: "A host that has tried to follow the dead writer refuses to take in what was kept of it, and the election waits for ever.",
		Old: `	if err := s.detach(ctx, d, do); err != nil {
		return err
	}
`,
		New: `	if !f.channel.idle() || f.channel.sql {
		return ErrReplica
	}
`,
	},
	{
		Name: "tail-under-new-numbers", Rules: []string{"R31"}, File: "internal/dbops/replay.go", Suite: mariadb("ACrashCutOff|AckerTakes"),
		What: "What was kept is taken in under new GTIDs, so that every other host holds something else.",
		Old:  `_, err := conn.ExecContext(ctx, d.replayAs, t.Domain, t.Server, t.Number, t.Time)`,
		New:  `err := conn.PingContext(ctx)`,
	},
	{
		Name: "statements-of-the-tail-skipped", Rules: []string{"R31"}, File: "internal/dbops/replay.go", Suite: mariadb("StatementsAreLeft"),
		What: "A transaction of the tail that is no change of rows is passed over, and the host says that it has all of it.",
		Old:  "if t.Other != \"\" {\n\t\t\treturn fmt.Errorf(\"%s: %w: %s is %s\", do, ErrByHand, t.ID, shorten(t.Other))\n\t\t}",
		New:  "if t.Other != \"\" {\n\t\t\treturn nil\n\t\t}",
	},
	{
		Name: "replay-into-a-writable-server", Rules: []string{"R31", "R47"}, File: "internal/dbops/replay.go", Suite: mariadb("ReplayRefuses"),
		What: "The tail is taken in while clients write.",
		Old:  "case !f.readOnly:\n\t\treturn fmt.Errorf(\"%s: %w\", do, ErrWritable)\n\tcase f.semiSource:",
		New:  "case f.semiSource:",
	},
}

// brief are the stories alone, and the tests of what somebody wrote on a replica.
var brief = Suite{Name: "stories", Pkg: "./topology", Run: "OwnWrites|Stories", Limit: 2 * time.Minute}

// strays are the tests of positions and states.
var strays = Suite{Name: "lines and states", Pkg: "./topology/gtid", Run: "Strays|Line", Limit: time.Minute}

// returns are the bugs of bringing back a host that parted from the writer.
var returns = []Mutant{
	{
		Name: "suspicion-is-a-verdict", Rules: []string{"R46"}, File: "topology/verdict.go", Suite: stories,
		What: "A host that is read a moment after the writer seems to hold what the writer never had, and is taken back.",
		Old:  `if len(s.GTIDs) == 0 || now.Sub(s.Since) < suspectFor {`,
		New:  `if len(s.GTIDs) == 0 {`,
	},
	{
		Name: "own-writes-are-positions", Rules: []string{"R32", "R46"}, File: "topology/own.go", Suite: brief,
		What: "What somebody wrote on a replica counts as received from the writer until that has had three seconds to deny it.",
		Old:  `if !c.Reign.Present() || r.ID == id`,
		New:  `if true || r.ID == id`,
	},
	{
		Name: "row-of-its-own-is-a-stray", Rules: []string{"R37"}, File: "topology/gtid/line.go", Suite: strays,
		What: "A host whose reign never opened is shut out of elections for the row that it wrote then.",
		Old:  `if !forgotten && !reigned {`,
		New:  `if !forgotten || reigned {`,
	},
	{
		Name: "written-on-between-look-and-bid", Rules: []string{"R28", "R32"}, File: "agent/act_election.go", Suite: agents,
		What: "What somebody wrote on a replica in the moment before its bid counts as received.",
		Old:  `b.Broken = topology.Strayed(j.cluster, a.id, p)`,
		New:  `b.Broken = ""`,
	},
	{
		Name: "errant-host-follows", Rules: []string{"R46"}, File: "topology/verdict.go", Suite: stories,
		What: "A host whose binlog holds what the writer never had counts as one that is behind.",
		Old:  `case len(r.Foreign) > 0:`,
		New:  `case false:`,
	},
	{
		Name: "error-of-another-source-judged", Rules: []string{"R46"}, File: "topology/verdict.go", Suite: stories,
		What: "What an earlier source said of a host is taken for the word of the present writer.",
		Old:  `said = "" // by another source`,
		New:  `_ = said // by another source`,
	},
	{
		Name: "purged-is-behind", Rules: []string{"R46"}, File: "topology/verdict.go", Suite: stories,
		What: "A host that needs binlogs which are purged is said to catch up, for ever.",
		Old:  `case purged(said):`,
		New:  `case false:`,
	},
	{
		Name: "rewound-while-counted-on", Rules: []string{"R40", "R46"}, File: "topology/rules_rejoin.go", Suite: stories,
		What: "A host gives up what it received while an election may count on it as an acker.",
		Old:  `v.rewinds() && !v.relied() && !v.busy(Rewind)`,
		New:  `v.rewinds() && !v.busy(Rewind)`,
	},
	{
		Name: "acker-voids-itself", Rules: []string{"R23", "R40"}, File: "topology/rules_rejoin.go", Suite: stories,
		What: "An acker says that it proves nothing although the writer has others and would let it go in order.",
		Old:  "if id != v.ID && live && e.Value.Incarnation == inc && fitAcker(c, id) {\n\t\t\treturn false",
		New:  "if id != v.ID && live && e.Value.Incarnation == inc && fitAcker(c, id) {\n\t\t\treturn true",
	},
	{
		Name: "rewound-host-proves", Rules: []string{"R40"}, File: "topology/rules_rejoin.go", Suite: stories,
		What: "A host that gave up what it had received bids as if it still held it.",
		Old:  "case v.void():\n\t\treturn \"it gave up what it had received\"\n",
		New:  "",
	},
	{
		Name: "half-rewound-host-proves", Rules: []string{"R40", "R47"}, File: "topology/rules_rejoin.go", Suite: stories,
		What: "A host whose rewind was interrupted bids with a position that means nothing.",
		Old:  "case v.Probe.Unfinished:\n\t\treturn \"a rewind of it was interrupted\"\n",
		New:  "",
	},
	{
		Name: "manual-rejoin-ignored", Rules: []string{"R46"}, File: "topology/rules_rejoin.go", Suite: stories,
		What: "Under `rejoin: manual` rows of clients are taken back without an order.",
		Old:  `func (v *View) onlyOwn() bool { return v.policy() == RejoinManual }`,
		New:  `func (v *View) onlyOwn() bool { return v.policy() == "" }`,
	},
	{
		Name: "rewind-under-another-reign", Rules: []string{"R46"}, File: "agent/act_rejoin.go", Suite: agents,
		What: "A host is taken back to the line of a writer that has been replaced since.",
		Old:  `case c.Writer.Rev != j.Epoch:`,
		New:  `case false:`,
	},
	{
		Name: "rewind-of-an-acker", Rules: []string{"R40", "R46"}, File: "agent/act_rejoin.go", Suite: agents,
		What: "The acker set has taken a host in since its rewind was decided, and it is rewound all the same.",
		Old:  `case counts && (void == nil || void.Incarnation != inc || void.Reign != r.Epoch):`,
		New:  `case counts && void != nil && void.Incarnation == "":`,
	},
	{
		Name: "rewind-without-an-archive", Rules: []string{"R47"}, File: "internal/dbops/rewind.go", Suite: mariadb("ErrantWrites"),
		What: "What a host gives up is written down nowhere.",
		Old:  "if out.Archive, archiveErr = Archive(ctx, r.State, tail, r.Manifest); archiveErr != nil {",
		New:  "if archiveErr = ctx.Err(); archiveErr != nil {",
	},
	{
		Name: "rewind-of-a-writable-server", Rules: []string{"R47"}, File: "internal/dbops/rewind.go", Suite: mariadb("ErrantWrites|Rewind"),
		What: "A server that takes writes is rewound under its clients.",
		Old:  "case !f.readOnly:\n\t\treturn ErrWritable\n\tcase f.semiSource:",
		New:  "case f.semiSource:",
	},
	{
		Name: "rewind-half-done-not-told", Rules: []string{"R47"}, File: "internal/dbops/rewind.go", Suite: mariadb("RewindMayBe"),
		What: "Nobody is told that a rewind was begun, and after a crash the host is taken for a whole one.",
		Old:  "return errors.Join(writeSynced(filepath.Join(r.State, unfinished), nil), syncDir(r.State))",
		New:  "return syncDir(r.State)",
	},
	{
		Name: "undone-twice", Rules: []string{"R47"}, File: "internal/dbops/undo.go", Suite: mariadb("RewindMayBe"),
		What: "The undoing transaction leaves no mark, so that after a crash its rows are undone once more.",
		Old:  `_, err = tx.ExecContext(ctx, d.insertMark, m.fork.String(), m.last.String(), m.archive, m.own)`,
		New:  `err = ctx.Err()`,
	},
	{
		Name: "undone-oldest-first", Rules: []string{"R47"}, File: "internal/dbops/undo.go", Suite: mariadb("ErrantWrites|Rewind"),
		What: "Binlog files are undone in the order in which they were written, so a row gets the value between two changes.",
		Old:  `for i := len(files) - 1; i >= 0; i-- {`,
		New:  `for i := range files {`,
	},
	{
		Name: "cascades-not-undone", Rules: []string{"R46"}, File: "internal/dbops/undo.go", Suite: mariadb("RewindRefuses"),
		What: "Rows that a foreign key deleted with others do not come back, and the host says that it is equal.",
		Old:  `if table, ok := names[r["parent"]]; ok {`,
		New:  `if table, ok := names[r["parent"]]; ok && table == "" {`,
	},
	{
		Name: "statements-not-undone", Rules: []string{"R46"}, File: "internal/dbops/fork.go", Suite: mariadb("RewindRefuses"),
		What: "A CREATE TABLE of the tail is passed over, and stays.",
		Old:  `if !harmless(text) {`,
		New:  `if text == "" {`,
	},
	{
		Name: "partial-rows-undone", Rules: []string{"R46"}, File: "internal/dbops/fork.go", Suite: mariadb("RewindRefuses"),
		What: "Rows of which the binlog does not hold all columns are undone with what it holds.",
		Old:  `if x.Partial {`,
		New:  `if x.Partial && x.File == "" {`,
	},
	{
		Name: "others-rows-are-own", Rules: []string{"R46"}, File: "internal/dbops/fork.go", Suite: mariadb("RewindRefuses|ErrantWrites|Own|Abandoned"),
		What: "Rows of clients count as the cluster's own, and are taken back where a person has to decide.",
		Old:  `return !strings.HasPrefix(name, "mmm.")`,
		New:  `return strings.HasPrefix(name, "mysql.")`,
	},
	{
		Name: "undone-beside-a-writer", Rules: []string{"R47"}, File: "internal/dbops/undo.go", Suite: mariadb("BesideAWriter"),
		What: "Somebody with privileges writes while rows are undone, and his rows vanish from the binlog.",
		Old:  `if !inside || position != m.last.String() {`,
		New:  `if !inside {`,
	},
	{
		Name: "falls-again-in-silence", Rules: []string{"R14", "G4"}, File: "internal/dbops/nostart.go", Suite: mariadb("ServerThat"),
		What: "A mysqld that cannot start after its crash is started again for ever, and nobody is told why.",
		Old:  `s.Count < patientStarts {`,
		New:  `s.Count < 1_000_000 {`,
	},
	{
		Name: "starts-of-another-crash-count", Rules: []string{"G4"}, File: "internal/dbops/prestart.go", Suite: mariadb("ServerThat"),
		What: "A server that crashes now and then is said not to start.",
		Old:  `return dir, errors.Join(err, forgetStarts(t.Datadir))`,
		New:  `return dir, err`,
	},
}
