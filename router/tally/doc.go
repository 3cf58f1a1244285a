// Package tally counts what conversations do, and writes some of it down: numbers
// by target, times, kinds of statements (digests), slow statements, and the trace
// that an operator asked for.
//
// A conversation makes one call for each statement, Board.Ended. That call takes
// part of a microsecond, allocates nothing for a kind of statement that is known,
// and never waits for a file or for a reader of the trace: what does not fit is
// dropped and counted.
//
// Goroutines: SlowLog.Run, which the router starts and waits for.
package tally
