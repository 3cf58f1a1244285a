// Package reliability writes RELIABILITY.md: what is promised, which tests prove
// it, and what the stored results of simulated and real chaos add up to.
//
// It owns the table of promises. Every number on the page comes from the lines
// of JSON in docs/reliability: chaos.jsonl has a line per run on real servers
// (package outcome), sim.jsonl one per campaign of simulated clusters. Equal
// files give an equal page; a test compares the page in the tree with them, and
// another sees that every test that a promise names exists.
//
// The package starts no goroutine and reads no clock.
package reliability
