// Package session is the conversation with one client: it greets it, reads its
// statements, sends each to the writer or to a reader, and passes the answer on.
//
// What it owns: what the client is in (transaction, settings, prepared statements,
// pins), the client's two connections, what is held back while there is no writer,
// and the data path. What it never does: look for the writer (package follow says
// where it is), choose among readers (package pick), judge a statement (package
// route).
//
// # Goroutines
//
// A conversation is the one goroutine that called Serve; it starts none. Kill,
// Close and the questions of a sweeper come from others and touch what its
// lock guards, and the deadlines of connections, only. Sweep is called by one
// goroutine of its caller's.
package session
