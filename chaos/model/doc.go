// Package model explores the protocol: every state that it can reach, in small
// worlds with every fault at every moment, and each of its rules taken out alone
// to see that the rule is needed. docs/protocol.md tells the rules; their numbers
// (R11) stand beside the switches.
//
//	explore  walks the states of any model: breadth first, shortest traces, stalls
//	lease    clocks: leases, lifetimes in the kernel, failsafe
//	data     transactions: acker sets, bids, proof, opening, switchover
//	aside    small models: numbers of transactions (R37), two acknowledgements (R26), accepted
//	         losses (R30), modes (R35), reader VIPs (R10, R54), routers (R56-R58)
//
// This package is the catalogue: it runs cases, says what surprises, and how to
// see one again. `mmmlab model` is its command.
//
// A case that should hold and does not is a hole in the protocol. One that lacks
// a rule and holds all the same is a surprise too: the rule is superfluous, or the
// model is blind.
//
// What this cannot see: that the code does what the rules say (chaos/sim and
// chaos/live look at that), worlds with more hosts, and what a model leaves out;
// the doc.go of each says what that is.
//
// Goroutines: Run starts a bounded number of workers and waits for them.
package model
