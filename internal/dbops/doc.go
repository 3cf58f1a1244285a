// Package dbops is the hand on the local database server: it reads facts
// (Observe, Problems) and carries out single verbs of replication. Statements
// live in dialect values and nowhere else.
//
// It never judges what ought to be done, knows no etcd, no epoch's meaning and
// no other host, and never ends a wait for an acknowledgement: no KILL of a
// waiter, no SHUTDOWN, no switching semi-sync off while somebody waits (R12).
//
// Connections. All go over the unix socket of the server, so the kernel says
// which process answers. There are six pools:
//
//	watch   Observe only, one session, kept open
//	fence   SetReadOnly, SetWritable, Waiters, KillIdleClients; one session
//	        kept open, so that a full or hung server can still be closed
//	work    the other verbs
//	logged  the only sessions that write to the binlog: EnsureTables,
//	        WriteEpochRow, WriteNudge
//	knock   Knock; no session is kept, each call opens one and closes it
//	usher   what Knock asks besides; one session, kept open
//
// ReadAccounts is apart from all that: it asks any server, over TCP, for whom a
// router may let in, and keeps nothing.
//
// What must not reach another run of mysqld than the one that it was decided on
// (SetWritable, WriteEpochRow, WriteNudge) makes sure of its session first.
//
// Every session but those of logged has sql_log_bin=0: an administrative
// statement that made a transaction of its own on a replica would make that
// replica diverge. When max_connections is used up, the sessions that are kept
// open still work, and the server grants the agent's CONNECTION ADMIN one more.
//
// Every verb takes a context and adds a limit of its own when it has no
// deadline, waits on the server's side at most lockWait for a lock, and proves
// its effect by reading back. A verb that returns ErrTimeout may still take
// effect: the server goes on with a statement whose client has gone.
//
// Goroutines: none of its own; database/sql and the driver keep one for each
// pool and each session, until Close.
package dbops
