// Package gtid knows global transaction ids: how MariaDB and MySQL write them,
// and which of two sets of transactions holds more.
//
// It owns two values. [Set] is what a server has, or must have, done: the text
// of @@gtid_binlog_pos, @@gtid_slave_pos or Gtid_IO_Pos of MariaDB, and of
// @@gtid_executed or Retrieved_Gtid_Set of MySQL. [State] is the text of
// MariaDB's @@gtid_binlog_state, which remembers more than a position does.
//
//	have, err := gtid.Parse("0-2-1041")
//	want, err := gtid.Parse("0-1-1040")
//	have.Contains(want)       // true: 0-2-1041 stands for everything before it
//	gtid.Compare(have, want)  // After
//	gtid.Distance(have, want) // 1
//
// # What a MariaDB position means
//
// A position names one GTID per domain and stands for that transaction and for
// all of a lower number in the domain, whichever server wrote them. That is
// true only of servers with gtid_strict_mode, and of one line of history: two
// servers that each wrote a 0-?-27 have parted, and the package says so
// ([Diverged]), because the same number comes from two servers. When one of the
// two goes on to 28, the positions alone do not show it any more. Compare
// states with [Errant] before a host is trusted that may have written on its own.
//
// A MySQL set names every transaction, so nothing of this applies to it.
//
// The package never talks to a server, never changes a value that it has
// returned, never panics, and starts no goroutine. All its values may be used
// by several goroutines at once.
package gtid
