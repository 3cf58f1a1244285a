package dbops

import (
	"fmt"
	"strings"
)

// askVersion works everywhere, so it can be asked before the dialect is known.
const askVersion = `SELECT @@version`

// lockWait is how long, in seconds, the SERVER lets a statement of ours wait for
// a lock. A limit on the client's side alone would leave the statement running
// and change read_only minutes after everybody has given up on it.
const lockWait = "1"

// quietSession is how every session starts that must leave no trace in the
// binlog. The names are the same in MariaDB and MySQL.
var quietSession = map[string]string{
	"sql_log_bin":              "0",
	"lock_wait_timeout":        lockWait,
	"innodb_lock_wait_timeout": lockWait,
	"wait_timeout":             "31536000", // the server must not close a session that we keep in reserve
}

// loggedSession is how a session starts whose writes are the cluster's.
var loggedSession = map[string]string{
	"sql_log_bin":              "1",
	"lock_wait_timeout":        lockWait,
	"innodb_lock_wait_timeout": lockWait,
}

// dialect holds the statements and names of one kind of server. A statement that
// ends in "Format" takes quoted values.
type dialect struct {
	name string

	facts       string // one row: columns of factColumns
	replication string // one row for each channel: columns of replicationColumns
	semi        string // rows of (name, value)
	waiters     string // one number
	epochRow    string // columns cluster, epoch, host, gtid, base; the newest rows, newest first
	sessions    string // columns id, user, host, command
	admitted    string // two numbers: see admission
	knots       string // column id: sessions that wait for read_only and have locked what a statement waits for

	facet   factColumns
	channel replicationColumns
	status  statusNames

	setReadOnly, setWritable      string
	stopIO, startIO, startSQL     string
	stopAll, startAll, resetAll   string
	waitApplied                   string // ? position, ? seconds; 0 when applied
	setAppliedFormat              string // the position from which replication starts
	tuneReplica                   string // what every replica has set before it follows
	followFormat                  string // host, port, user, password
	reattachFormat                string // file, position
	relayLog                      string // columns dir, list: where its files are listed
	returnToGTID                  string
	sourceSettings                []string // semi-sync as a source, in this order
	semiSourceOff                 string
	semiReplicaOn, semiReplicaOff string
	kill                          string // ? session

	durable                            string // one number: 1 when what is acknowledged is on disk
	replayAs                           string // ? domain, ? server, ? number and ? time of the next transaction
	binlogFormat                       string // events in base64
	startTransaction, commit, rollback string

	identity     string // columns domain, server
	setSequence  string // ? sequence number of the next transaction
	insertEpoch  string // ? seq, cluster, epoch, host, gtid, base
	hasEpoch     string // ? gtid; one number
	nudge        string
	sessionID    string
	countTables  string // one number: which of our tables exist
	createTables []string

	binlogBase, binlogList string   // one value; rows with Log_name
	engineTables           string   // column name: schema/table of the engine that rolls back
	cascades               string   // columns parent, child: foreign keys that change rows by themselves
	resetBinlog            string   // empties the binlog and its state
	setStateFormat         string   // of an empty binlog
	createMark             []string // the table of marks of a rewind
	insertMark             string   // ? fork, last, archive, own
	readMark, dropMark     string
	stillInside            string // in a transaction, and the binlog's end

	agentPrivileges       []string
	replicationPrivileges []string

	accounts      string // columns User, Host and privileges in JSON as MariaDB has them
	accountsTable string // what it reads

	variables string    // rows of (Variable_name, Value)
	settings  []setting // what my.cnf must say
}

type factColumns struct {
	version, serverID, readOnly, position, state, applied, semiSource, semiReplica string
}

type replicationColumns struct {
	name, host, port, io, sql, usingGTID, receivedGTID, file, filePosition, relayBytes, delay string
	doneFile, donePosition                                                                    string
	sqlState                                                                                  string   // what the SQL thread does
	beats                                                                                     string   // heartbeats that came from the source
	sqlRests                                                                                  []string // how that begins when it has nothing on its way
	ioErrno, ioError, sqlErrno, sqlError                                                      string
	usingGTIDYes                                                                              string
}

type statusNames struct{ attached, waitSessions string }

// detect chooses the dialect by the server's version.
func detect(version string) (*dialect, error) {
	if strings.Contains(version, "MariaDB") {
		return &mariadb, nil
	}
	return nil, fmt.Errorf("%w: it calls itself %s; MySQL is not supported yet, use MariaDB 10.11 or later", ErrUnsupported, version)
}
