// Package check says what must be true of the history of a chaos run, one
// checker per file, each a pure function of the history.
//
// A checker returns what it looked at (a count: nothing looked at is nothing
// proven) and sentences about what was violated. Invalid says why a run proves
// nothing whatever the checkers say: a fault that did not bite, traffic that was
// too thin, a question that could not be decided.
//
// Times of one history come from one clock, so "before" is exact. Where a
// checker must allow for something (the whole seconds of the kernel's address
// lifetimes) the allowance is a named constant with its reason.
//
// The package reads no clock, no file and no database, and starts no goroutine;
// the linearizability checker starts its own and waits for them.
package check
