// Package demo tells the story of the scenario on a running bed: the writer
// crashes, comes back, its successor is stopped, the writer moves by plan, a router
// dies, old hands use MMM's own commands. An application writes and reads through
// the router VIP all the time, and at the end every acknowledged row is looked for
// on every server.
//
// Each chapter is told in plain lines: what is done, what mmmctl says of it,
// and what was CHECKED from outside: addresses on the interfaces of the hosts,
// SHOW SLAVE STATUS and read_only on the servers, answers through the VIPs. A
// check that does not come true in time ends the story with an error.
//
// The package never mends what it finds and asserts no duration: gaps are told,
// not judged. An error of the application ends the story after a planned move; when
// the writer dies only a refused insert does. It owns neither the bed nor the terminal.
//
// Goroutines: the connections of the application and one reading client per reader
// VIP; Run waits for all of them.
package demo
