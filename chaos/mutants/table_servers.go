package mutants

import "time"

// servers' suites run real mariadbd, so each row names the tests that look at it.
func mariadb(run string) Suite {
	return Suite{Name: "a real MariaDB", Pkg: "./internal/dbops", Run: run, Limit: 2 * time.Minute}
}

// servers are the bugs of what is said to MariaDB.
var servers = []Mutant{
	{
		Name: "both-threads-stopped", Rules: []string{"R11"}, File: "internal/dbops/mariadb.go", Suite: mariadb("StopIO|RestartOfTheIOThread|BothThreads|Failover"),
		What: "A host that bids stops both threads of replication, and the next start deletes what it received.",
		Old:  "stopIO:      `STOP SLAVE IO_THREAD`",
		New:  "stopIO:      `STOP SLAVE`",
	},
	{
		Name: "source-with-an-unapplied-relay-log", Rules: []string{"R36", "R40"}, File: "internal/dbops/threads.go", Suite: mariadb("BothThreads|Restarted"),
		What: "The SQL thread is started over an unapplied relay log with the IO thread stopped, which deletes it.",
		Old:  "case f.channel.idle() && f.unapplied():\n\t\treturn f.refuse(do)\n\t}\n\tif err := s.exec(ctx, s.work, do, d.startSQL)",
		New:  "}\n\tif err := s.exec(ctx, s.work, do, d.startSQL)",
	},
	{
		Name: "stale-io-position-believed", Rules: []string{"R28"}, File: "internal/dbops/facts.go", Suite: mariadb("StaleIOPosition|RestartedReplica"),
		What: "A host bids with a position that it received once and no longer has.",
		Old:  `if !f.channel.configured || f.channel.file == "" {`,
		New:  `if !f.channel.configured {`,
	},
	{
		Name: "semi-sync-gives-up", Rules: []string{"R24"}, File: "internal/dbops/mariadb.go", Suite: mariadb("ReadOnlyIsRefused|LeaveSource|Nudge|Reattach"),
		What: "Semi-sync falls back to acknowledging alone after a while.",
		Old:  `rpl_semi_sync_master_timeout=1000000000000`,
		New:  `rpl_semi_sync_master_timeout=100`,
	},
	{
		Name: "seen-before-acknowledged", Rules: []string{"R14"}, File: "internal/dbops/mariadb.go", Suite: mariadb("EpochRow|Failover|Nudge"),
		What: "Others can read a write before any replica has it.",
		Old:  `rpl_semi_sync_master_wait_point=AFTER_SYNC`,
		New:  `rpl_semi_sync_master_wait_point=AFTER_COMMIT`,
	},
	{
		Name: "attached-inside-a-transaction", Rules: []string{"R27"}, File: "internal/dbops/reattach.go", Suite: mariadb("ReattachWhileClientsWrite"),
		What: "A replica attaches by the position up to which it has read, which may lie inside a transaction.",
		Old:  `file, f.channel.donePos)`,
		New:  `file, f.channel.filePos)`,
	},
	{
		Name: "received-by-position-dropped", Rules: []string{"R40"}, File: "internal/dbops/reattach.go", Suite: mariadb("WhatWasReceivedByPosition"),
		What: "What a replica received by file and position is taken for applied.",
		Old:  `if !f.channel.sql && f.channel.sqlError == "" {`,
		New:  `if !f.channel.sql || f.channel.sqlError == "" {`,
	},
	{
		Name: "nobody-to-wait-for", Rules: []string{"R24"}, File: "internal/dbops/mariadb.go", Suite: mariadb("Failover|ReadOnlyIsRefused|EpochRow|Nudge|Switchover"),
		What: "With no replica attached a commit does not wait at all.",
		Old:  "`rpl_semi_sync_master_wait_no_slave=1`",
		New:  "`rpl_semi_sync_master_wait_no_slave=0`",
	},
	{
		Name: "waiter-released", Rules: []string{"R12"}, File: "internal/dbops/roles.go", Suite: mariadb("LeaveSource"),
		What: "Semi-sync is switched off while somebody waits, which tells him that his write is safe.",
		Old:  `if n > 0 {`,
		New:  `if n > 99 {`,
	},
	{
		Name: "waiter-killed", Rules: []string{"R12"}, File: "internal/dbops/clients.go", Suite: mariadb("Clients|TheAgentLeaves|ReadOnlyIsRefused|LeaveSource"),
		What: "Sessions that run a statement are killed as well, which commits what nobody acknowledged.",
		Old:  `if one.command != commandSleep || one.user == s.opt.User`,
		New:  `if one.user == s.opt.User`,
	},
	{
		Name: "number-not-set", Rules: []string{"R37"}, File: "internal/dbops/tables.go", Suite: mariadb("EpochRow|Failover|Switchover"),
		What: "The first transaction of a reign is written under the next number of the server.",
		Old:  `_, err = conn.ExecContext(ctx, d.setSequence, jumpTo)`,
		New:  `err = conn.PingContext(ctx)`,
	},
	{
		Name: "row-written-twice", Rules: []string{"R37"}, File: "internal/dbops/tables.go", Suite: mariadb("EpochRow"),
		What: "A row that already waits in the binlog is written again.",
		Old:  `if f.position.Contains(id) {`,
		New:  `if f.position.Contains(id) && f.readOnly && f.serverID == 0 {`,
	},
	{
		Name: "applied-by-row-count", Rules: []string{"R36"}, File: "internal/dbops/threads.go", Suite: mariadb("WaitApplied|BothThreads|Switchover|Failover"),
		What: "A wait for the relay log that ended is taken for a relay log that is applied (MMM's F9).",
		Old:  "case !applies:\n\t\t\treturn fmt.Errorf(\"%s: %w at %s%s\", do, ErrSQLStopped, f.done(), because(f.channel.sqlError))",
		New:  "case !applies:\n\t\t\treturn nil",
	},
	{
		Name: "binlog-counts-as-applied", Rules: []string{"R36", "R40"}, File: "internal/dbops/threads.go", Suite: mariadb("OnlyInTheBinlog"),
		What: "A transaction that is in the binlog and not yet committed is taken for applied: it is not seen, and a crash takes it back.",
		Old:  "case f.applied.Contains(want), logged && (!applies || inBinlog && f.channel.sqlRests):",
		New:  "case f.applied.Contains(want), logged && (applies || !applies || inBinlog):",
	},
	{
		Name: "starts-as-a-master", Rules: []string{"R14"}, File: "internal/dbops/mariadb_settings.go", Suite: mariadb("Problems"),
		What: "A my.cnf that lets a crashed server keep what nobody acknowledged is accepted.",
		Old:  `name: "init-rpl-role", good: exactly("SLAVE"),`,
		New:  `name: "init-rpl-role", good: some,`,
	},
	{
		Name: "acknowledges-at-start", Rules: []string{"R14", "R21"}, File: "internal/dbops/mariadb_settings.go", Suite: mariadb("Problems"),
		What: "A my.cnf that lets a host acknowledge before the writer has recorded it is accepted.",
		Old:  `name: "rpl-semi-sync-slave-enabled", good: off,`,
		New:  `name: "rpl-semi-sync-slave-enabled", good: func(string, int) bool { return true },`,
	},
	{
		Name: "starts-writable", Rules: []string{"R14"}, File: "internal/dbops/mariadb_settings.go", Suite: mariadb("Problems"),
		What: "A my.cnf that lets a server start writable is only warned of.",
		Old:  `name: "read-only", good: on, want: write("1"), refuse: true, roleless: true,`,
		New:  `name: "read-only", good: on, want: write("1"), roleless: true,`,
	},
	{
		Name: "tail-not-kept", Rules: []string{"R14"}, File: "internal/dbops/prestart.go", Suite: mariadb("CrashKeeps|CrashOfAReplica|TornHead"),
		What: "After a crash mysqld starts without a copy of what its start throws away.",
		Old:  `} else if !crashed && !marked {`,
		New:  `} else if crashed && !marked {`,
	},
	{
		Name: "relay-logs-not-kept", Rules: []string{"R14"}, File: "internal/dbops/prestart.go", Suite: mariadb("CrashKeeps|CrashOfAReplica|TornHead"),
		What: "After a crash of a replica only its binlog is copied, and not what it had received.",
		Old:  `files := append(newest(logs.binlogs, keptBinlogs), logs.relays...)`,
		New:  `files := newest(logs.binlogs, keptBinlogs)`,
	},
	{
		Name: "torn-notes-never-mended", Rules: []string{"R40"}, File: "internal/dbops/errors.go", Suite: mariadb("PowerCut|TornNotes"),
		What: "A replica that lost power cannot read its master.info, and never follows anybody again.",
		Old:  "errMasterInfo:         ErrTorn,",
		New:  "errMasterInfo:         ErrUnverified,",
	},
	{
		Name: "full-server-is-dead", Rules: []string{"G3"}, File: "internal/dbops/observe.go", Suite: mariadb("Full|Observe"),
		What: "A server without a free connection is reported without its cause.",
		Old:  `case errors.Is(err, ErrTooMany):`,
		New:  `case false:`,
	},
}
