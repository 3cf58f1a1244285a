// Package data models what the protocol does to transactions: the writer key
// and its epoch, the reign with its acker set S, bids and their proof,
// AFTER_SYNC semi-sync with one acknowledgement (W = 1), binlogs and relay
// logs, the steps from a won key to an open door, narrowing, widening and the
// heir, planned switchovers, writes to etcd that arrive late, restarts that cut
// a binlog's tail off and lose relay logs, and the repair of a replica that has
// diverged.
//
// Three hosts: A and B may be writer, C may not. etcd is one linearizable
// object. There is no clock: a lease ends only after its holder's port has
// closed, which is what package lease shows, unless the environment says that
// fence 1 is defeated (a virtual machine that was paused). Every step may wait
// for ever, so one-way cuts and slow hosts need no fault of their own.
//
// Bad: G1, a host acknowledges although another one's reign is open; G2, a
// writer opens without a transaction that a client was told OK for. Good: a
// writer serves and nobody waits for an acknowledgement.
//
// Each field of Rules is a rule of the protocol, true when it is kept, and is
// read in one or two places, so that what a rule is worth can be seen by taking
// it out.
//
// Left out, and where it is instead: clocks and failsafe (lease); numbers of
// transactions, two acknowledgements, accepted losses, modes (aside). Simplified: a rewind is one step; a nudge row and a
// re-attachment are one step; a kept tail is a log that survives the restart; a
// fetch is one step; what a host reports of itself is as new as what is read.
package data
