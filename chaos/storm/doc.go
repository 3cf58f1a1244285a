// Package storm runs seeded chaos on a whole cluster of real servers: faults,
// one or two at a time, while clients write and read through the VIPs and
// observers write down all they see (package history).
//
// A seed gives a plan: which class of fault, where ("the writer", not "db1"),
// how long, what comes on top. The plan is the same for the same seed; what the
// machine makes of it is not, so a replay repeats the faults, not every
// interleaving. Each fault is done, seen to bite by a probe, lifted, seen to be
// over by the same probe; then the cluster has a bounded time to become whole.
//
// The package judges nothing: package check does, over the files that are left.
// It may act as an operator (set-online, switchover), never as an agent.
//
// Goroutines, all owned by Run, which waits for them: one per client, one per
// database host for direct probes, one per host for its addresses, one that asks
// the network for the VIPs, two for what stands in etcd, one that looks how late
// it wakes up.
package storm
