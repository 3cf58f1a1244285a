package dbops

import "strconv"

// mariadbSettings is what MariaDB's my.cnf must say (R14), worst first.
var mariadbSettings = []setting{
	{
		name: "log-bin", good: some, want: write("binlog"), refuse: true,
		why: "without a binlog no replica can follow this host;",
	},
	{
		name: "log-slave-updates", good: on, want: write("1"), refuse: true,
		why: "a replica that is elected must hold in its binlog what it received;",
	},
	{
		name: "gtid-strict-mode", good: on, want: write("1"), refuse: true,
		why: "otherwise a diverged replica goes on without an error;",
	},
	{
		name: "server-id", good: some, want: write("a number that no other host of the cluster has or had"), refuse: true,
		why: "GTIDs name the server that wrote them;",
	},
	{
		name: "read-only", good: on, want: write("1"), refuse: true, roleless: true,
		why: "a server that comes back after a crash must not take writes before the cluster knows who is writer;",
	},
	{
		name: "skip-slave-start", good: on, want: write("1"), refuse: true, roleless: true,
		why: "the start of replication deletes received transactions that are not applied, and only the agent may decide that;",
	},
	{
		name: "binlog-format", good: exactly("ROW"), want: write("ROW"), refuse: true,
		why: "statements may have another effect on a replica;",
	},
	{
		name: "init-rpl-role", good: exactly("SLAVE"), want: write("SLAVE"), refuse: true, roleless: true,
		why: "only then a killed writer rolls back at its next start what nobody acknowledged;",
	},
	{
		name: "rpl-semi-sync-slave-enabled", good: off, want: write("0"), refuse: true, roleless: true,
		why: "a host that acknowledges before the writer has recorded it may hold the only copy unknown to all;",
	},
	{
		name: "rpl-semi-sync-master-wait-point", good: exactly("AFTER_SYNC"), want: write("AFTER_SYNC"), refuse: true,
		why: "otherwise others read what may yet be lost;",
	},
	{
		name: "sync-binlog", good: exactly("1"), want: write("1"), refuse: true,
		why: "otherwise a power cut takes transactions out of the binlog that this host is trusted to hold;",
	},
	{
		name: "innodb-flush-log-at-trx-commit", good: exactly("1"), want: write("1"), refuse: true,
		why: "otherwise a power cut takes committed transactions;",
	},
	{
		name: "extra-port", good: some, want: write("3309"), refuse: true,
		why: "replicas and peers must not use the client port, which the kernel closes (R7);",
	},
	{
		name: "extra-max-connections", good: enoughConnections,
		want: func(hosts int) string { return strconv.Itoa(extraConnections(hosts)) },
		why:  "the default of 1 turns the second replica away;",
	},
	{
		name: "sync-relay-log", good: exactly("1"), want: write("1"),
		why: "otherwise a power cut takes what this host has acknowledged;",
	},
	{
		name: "sync-master-info", good: exactly("1"), want: write("1"),
		why: "otherwise a power cut leaves this host without a note of its source;",
	},
	{
		name: "sync-relay-log-info", good: exactly("1"), want: write("1"),
		why: "otherwise a power cut leaves the relay log unreadable to the server;",
	},
	{
		name: "relay-log-recovery", good: off, want: write("0"), roleless: true,
		why: "otherwise a restart throws received transactions away, which may be the last copy;",
	},
	{
		name: "slave-run-triggers-for-rbr", good: exactly("NO"), want: write("NO"),
		why: "triggers would run a second time on replicas;",
	},
	{
		name: "skip-name-resolve", good: on, want: write("1"),
		why: "a dead name server must not hold up connections, and replicas are told apart by address;",
	},
	{
		name: "ignore-db-dirs", good: listed(KeptDir), want: write(KeptDir), roleless: true,
		why: "the directory of kept log files would show as a database;",
	},
}
