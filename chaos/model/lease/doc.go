// Package lease models the clocks of the protocol: the lease in etcd, the
// lifetime that the kernel gives to a writer's port (fence 1), keepalives and
// their late replies, campaigns of unknown outcome, agents that die, freeze and
// come back, the order of the steps that open and close, and failsafe with its
// promises. It knows nothing of data.
//
// Three hosts that could be elected. Time is counted in ticks: a lease lasts
// three, the margin is one, and a host's own timer may lose one tick between two
// renewals. Every message may be late or lost, so partitions, one-way ones
// included, need no fault of their own. A frozen agent is a dead one that comes
// back: from outside they look alike.
//
// Bad: G1, the ports of two writable servers are open. There is no Good: whether
// a writer is found again is the matter of package data.
//
// Simplified: a host that is not writer keeps some lease at no cost; a renewal
// that opens a door is sent and answered at once.
package lease
