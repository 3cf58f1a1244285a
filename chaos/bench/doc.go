// Package bench measures how long a client cannot write when the writer fails
// or moves, many times per fault, on real servers; and beside it, on the same
// machine in the same run, how long a bare VIP is silent that keepalived moves.
//
// The client inserts a row every 10 ms through the writer VIP. The gap of a run
// is the longest time without an acknowledged insert from the fault to a second
// after the first insert that began after it and was acknowledged: never less
// than the time from the last acknowledgement before the fault to the first
// after it. An attempt that gets no answer is given up after a time-out, so the
// gap includes what is left of that time-out; it stands in the result.
//
// A fault that did not take effect, a cluster that does not heal and a client
// that cannot write end the measurement with an error: nothing is recorded
// then. No duration is judged as right or wrong; the result says whether it is
// within reach of the goal.
//
// Goroutines: one client per part of the measurement, a program per keepalived
// host; Run waits for all of them.
package bench
