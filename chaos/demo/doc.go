// Package demo tells the story of the scenario on a running bed: the writer
// crashes, comes back, its successor is stopped, the writer moves by plan, old
// hands use MMM's own commands. A client writes through the writer VIP all the
// time, and at the end every acknowledged row is looked for on every server.
//
// Each chapter is told in plain lines: what is done, what mmmctl says of it,
// and what was CHECKED from outside: addresses on the interfaces of the hosts,
// SHOW SLAVE STATUS and read_only on the servers, answers through the VIPs. A
// check that does not come true in time ends the story with an error.
//
// The package never mends what it finds and asserts no duration: gaps are told,
// not judged. It owns neither the bed nor the terminal.
//
// Goroutines: one writing client and one reading client per reader VIP; Run
// waits for all of them.
package demo
