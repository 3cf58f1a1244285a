// Package clone makes the data of one server out of another's: it runs
// mariadb-backup on the host that gives and mbstream on the one that takes, and
// puts what came in place of what was there.
//
// It owns the tools, the directories and the record of how far a copy is. It
// never decides whether a host is to be copied or may be replaced, speaks no SQL,
// knows no etcd and no network, and starts or stops no server.
//
// # Where it all lies
//
//	<datadir>/mmm-kept/clone/new      the copy while it comes; worth nothing before the record says "copied"
//	<datadir>/mmm-kept/clone/in       the same while it goes into place
//	<datadir>/mmm-kept/clone/old-...  the data from before
//	<state>/clone.json                the record: how far it is
//
// All of it is on the file system of the datadir, so that files are moved and not
// copied, and in a directory that the server is told not to take for a database.
// The identity of the host and the agent's lock stay where they are.
//
// # An unfinished copy is no server
//
// From the first file that is moved to the last, a directory stands under the
// name ibdata1, and no server starts beside it: "The data file './ibdata1' is not
// a regular file". It takes the file's place, and gives it back, by one exchange
// of names, so that there is no moment in which a server could begin a new one.
// Whatever interrupts the moving, doing it again goes on from where it stopped. A
// server that had begun to start before the directory stood there has locked its
// files, the system file or Aria's: nothing is moved while it lives.
//
// Goroutines: none of its own but those of os/exec, which each call waits for.
package clone
