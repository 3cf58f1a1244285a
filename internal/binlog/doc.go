// Package binlog reads the binlog files of a MariaDB server: which transactions
// a file holds, where they begin and end, and what they touch.
//
// Read looks at heads of events and never at the rows in them; ReadWhole hands out
// the events of complete transactions, to be repeated. The package never writes,
// and it knows no server: a path is all it needs. A file that the server was
// killed over ends where its last whole event ends.
//
// Goroutines: none.
package binlog
