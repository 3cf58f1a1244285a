package dbops

// mariadb is MariaDB 10.11 and later.
var mariadb = dialect{
	name: "mariadb",

	// None of these is SHOW MASTER STATUS or SHOW BINARY LOGS: those hang once a
	// commit is queued behind one that waits for an acknowledgement.
	facts: `SELECT @@version AS version, @@server_id AS server_id, @@read_only AS read_only, ` +
		`@@gtid_binlog_pos AS position, @@gtid_binlog_state AS state, @@gtid_slave_pos AS applied, ` +
		`@@rpl_semi_sync_master_enabled AS semi_source, @@rpl_semi_sync_slave_enabled AS semi_replica`,
	replication: `SHOW ALL SLAVES STATUS`,
	semi: `SHOW GLOBAL STATUS WHERE Variable_name IN ` +
		`('Rpl_semi_sync_slave_status', 'Rpl_semi_sync_master_wait_sessions')`,
	// Rpl_semi_sync_master_wait_sessions says 1 for any number that is stuck: the
	// others queue behind the first one in state "Commit".
	waiters: `SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE = 'Commit' ` +
		`OR STATE LIKE 'Waiting for semi-sync ACK%'`,
	epochRow: `SELECT cluster, epoch, host, gtid, base FROM mmm.epoch ORDER BY seq DESC LIMIT 16`,
	// Who is being read from was greeted: it is the client that waits, or sends nothing.
	admitted: `SELECT (SELECT COALESCE(MAX(ID), 0) FROM information_schema.PROCESSLIST ` +
		`WHERE USER <> 'unauthenticated user' OR STATE = 'Reading from net'), CAST(SUM(VARIABLE_VALUE) AS SIGNED) ` +
		`FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME IN ('ACCESS_DENIED_ERRORS', 'CONNECTION_ERRORS_MAX_CONNECTIONS')`,
	sessions: `SELECT ID AS id, USER AS user, HOST AS host, COMMAND AS command FROM information_schema.PROCESSLIST`,
	knots: `SELECT DISTINCT p.ID AS id FROM information_schema.PROCESSLIST p ` +
		`JOIN information_schema.INNODB_TRX t ON t.trx_mysql_thread_id = p.ID ` +
		`JOIN information_schema.INNODB_LOCK_WAITS w ON w.blocking_trx_id = t.trx_id ` +
		`WHERE p.COMMAND = 'Query' AND p.STATE = 'Waiting for backup lock' AND p.INFO NOT LIKE 'commit%'`,

	facet: factColumns{
		version: "version", serverID: "server_id", readOnly: "read_only", position: "position", state: "state",
		applied: "applied", semiSource: "semi_source", semiReplica: "semi_replica",
	},
	channel: replicationColumns{
		name: "Connection_name", host: "Master_Host", port: "Master_Port",
		io: "Slave_IO_Running", sql: "Slave_SQL_Running",
		usingGTID: "Using_Gtid", usingGTIDYes: "Slave_Pos", receivedGTID: "Gtid_IO_Pos",
		file: "Master_Log_File", filePosition: "Read_Master_Log_Pos", relayBytes: "Relay_Log_Space",
		doneFile: "Relay_Master_Log_File", donePosition: "Exec_Master_Log_Pos",
		sqlState: "Slave_SQL_Running_State", sqlRests: []string{"Slave has read all relay log", "Waiting until MASTER_DELAY seconds"},
		beats:   "Slave_received_heartbeats",
		delay:   "SQL_Delay",
		ioErrno: "Last_IO_Errno", ioError: "Last_IO_Error",
		sqlErrno: "Last_SQL_Errno", sqlError: "Last_SQL_Error",
	},
	status: statusNames{attached: "Rpl_semi_sync_slave_status", waitSessions: "Rpl_semi_sync_master_wait_sessions"},

	setReadOnly: `SET GLOBAL read_only=1`,
	setWritable: `SET GLOBAL read_only=0`,
	stopIO:      `STOP SLAVE IO_THREAD`,
	startIO:     `START SLAVE IO_THREAD`,
	startSQL:    `START SLAVE SQL_THREAD`,
	stopAll:     `STOP SLAVE`,
	startAll:    `START SLAVE`,
	resetAll:    `RESET SLAVE ALL`,
	waitApplied: `SELECT MASTER_GTID_WAIT(?, ?)`,

	setAppliedFormat: `SET GLOBAL gtid_slave_pos=%s`,
	// kill_conn_timeout: STOP SLAVE of an acknowledging replica whose source has
	// vanished opens a connection to it first; 1 halves that wait, 0 never ends.
	tuneReplica: `SET GLOBAL slave_net_timeout=4, rpl_semi_sync_slave_kill_conn_timeout=1`,
	followFormat: `CHANGE MASTER TO MASTER_HOST=%s, MASTER_PORT=%d, MASTER_USER=%s, MASTER_PASSWORD=%s, ` +
		`MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1, MASTER_HEARTBEAT_PERIOD=1, MASTER_DELAY=0`,
	reattachFormat: `CHANGE MASTER TO MASTER_USE_GTID=no, MASTER_LOG_FILE=%s, MASTER_LOG_POS=%d`,
	relayLog:       `SELECT @@datadir AS dir, @@relay_log_index AS list`,
	returnToGTID:   `CHANGE MASTER TO MASTER_USE_GTID=slave_pos`,
	sourceSettings: []string{
		`SET GLOBAL rpl_semi_sync_slave_enabled=0`,
		// Milliseconds, about 31 years. The largest number that the server takes
		// would overflow when it is added to the time of day in nanoseconds.
		`SET GLOBAL rpl_semi_sync_master_timeout=1000000000000, rpl_semi_sync_master_wait_point=AFTER_SYNC, ` +
			`rpl_semi_sync_master_wait_no_slave=1`,
		`SET GLOBAL rpl_semi_sync_master_enabled=1`,
	},
	semiSourceOff:  `SET GLOBAL rpl_semi_sync_master_enabled=0`,
	semiReplicaOn:  `SET GLOBAL rpl_semi_sync_slave_enabled=1`,
	semiReplicaOff: `SET GLOBAL rpl_semi_sync_slave_enabled=0`,
	kill:           `KILL CONNECTION ?`,

	durable:          `SELECT @@sync_binlog = 1 AND @@innodb_flush_log_at_trx_commit = 1 AND @@sync_relay_log = 1`,
	replayAs:         `SET SESSION gtid_domain_id=?, server_id=?, gtid_seq_no=?, timestamp=?`,
	binlogFormat:     "BINLOG '%s'",
	startTransaction: `START TRANSACTION`,
	commit:           `COMMIT`,
	rollback:         `ROLLBACK`,

	identity:    `SELECT @@gtid_domain_id, @@server_id`,
	setSequence: `SET SESSION gtid_seq_no=?`,
	insertEpoch: `INSERT INTO mmm.epoch (seq, cluster, epoch, host, gtid, base) VALUES (?, ?, ?, ?, ?, ?)`,
	hasEpoch:    `SELECT COUNT(*) FROM mmm.epoch WHERE gtid=?`,
	nudge: `INSERT INTO mmm.nudge (server, times) VALUES (@@server_id, 1) ` +
		`ON DUPLICATE KEY UPDATE times=times+1, at=CURRENT_TIMESTAMP(3)`,
	sessionID: `SELECT CONNECTION_ID()`,
	countTables: `SELECT COUNT(*) FROM information_schema.TABLES ` +
		`WHERE TABLE_SCHEMA='mmm' AND TABLE_NAME IN ('epoch', 'nudge')`,
	createTables: []string{
		`CREATE DATABASE IF NOT EXISTS mmm`,
		// seq is the number of the transaction that wrote the row. Numbers only
		// grow, whatever cluster the data came from, so the newest row is the
		// one with the highest. One row a reign: it needs no trimming. base is the
		// position directly before the row: with it the rows tell which numbers
		// were never of this history.
		`CREATE TABLE IF NOT EXISTS mmm.epoch (seq BIGINT UNSIGNED NOT NULL PRIMARY KEY, ` +
			`cluster VARCHAR(64) NOT NULL, epoch BIGINT NOT NULL, host VARCHAR(64) NOT NULL, ` +
			`gtid VARCHAR(255) NOT NULL, base VARCHAR(255) NOT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ` +
			`ENGINE=InnoDB DEFAULT CHARSET=ascii COLLATE=ascii_bin`,
		`CREATE TABLE IF NOT EXISTS mmm.nudge (server INT UNSIGNED NOT NULL PRIMARY KEY, ` +
			`times BIGINT UNSIGNED NOT NULL, at TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)) ENGINE=InnoDB`,
	},

	binlogBase: `SELECT @@log_bin_basename`,
	binlogList: `SHOW BINARY LOGS`,
	// The agent may not read the tables, so information_schema.TABLES is empty for
	// it; these two ask for PROCESS only.
	engineTables: `SELECT NAME AS name FROM information_schema.INNODB_SYS_TABLES`,
	// 1 and 2: ON DELETE CASCADE and SET NULL; 4 and 8: the same ON UPDATE.
	cascades:       `SELECT REF_NAME AS parent, FOR_NAME AS child FROM information_schema.INNODB_SYS_FOREIGN WHERE TYPE & 15`,
	resetBinlog:    `RESET MASTER`,
	setStateFormat: `SET GLOBAL gtid_binlog_state=%s`,
	createMark: []string{
		`CREATE DATABASE IF NOT EXISTS mmm`,
		`CREATE TABLE IF NOT EXISTS mmm.rewind (one TINYINT NOT NULL PRIMARY KEY, fork TEXT NOT NULL, ` +
			`last TEXT NOT NULL, archive TEXT NOT NULL, own BOOLEAN NOT NULL) ENGINE=InnoDB`,
	},
	insertMark:  `INSERT INTO mmm.rewind (one, fork, last, archive, own) VALUES (1, ?, ?, ?, ?)`,
	readMark:    `SELECT fork, last, archive, own FROM mmm.rewind`,
	dropMark:    `DROP TABLE IF EXISTS mmm.rewind`,
	stillInside: `SELECT @@in_transaction, @@gtid_binlog_pos`,

	agentPrivileges: []string{
		"REPLICATION SLAVE ADMIN", "REPLICATION MASTER ADMIN", "BINLOG ADMIN", "BINLOG REPLAY",
		"BINLOG MONITOR", "SLAVE MONITOR", "READ_ONLY ADMIN", "CONNECTION ADMIN", "RELOAD", "PROCESS", "LOCK TABLES",
	},
	replicationPrivileges: []string{"REPLICATION SLAVE"},

	accounts:      `SELECT User, Host, Priv FROM mysql.global_priv`,
	accountsTable: `mysql.global_priv`,

	variables: `SHOW GLOBAL VARIABLES`,
	settings:  mariadbSettings,
}
