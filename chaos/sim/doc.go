// Package sim lets whole clusters live through faults in virtual time: the real
// topology.Decide and the real steps of the agent (agent/step), with models of
// etcd, mysqld, replication, kernel, network and clocks around them. A minute
// dense with faults takes some thirty milliseconds, a calm one five; a seed replays exactly.
//
//	queue.go        the future: events, actors that freeze and die, clocks that differ
//	proc.go         programs of several steps, as coroutines
//	etcd.go         keys, revisions, leases, watches; registry.go: the guarded calls
//	mysqld.go       binlog, crash and truncation; replication.go: IO and SQL threads,
//	                acknowledgements; statements.go: the verbs of internal/dbops
//	kept.go         what prestart keeps of a run that ended, and its replay
//	host.go         machine, port element, virtual addresses
//	agent.go        the loop around agent/step; eyes.go, session.go, doors.go,
//	                hands.go, rejoin.go mirror the agent's files of like names
//	clients.go      who writes, and what they were told
//	faults.go       what befalls the cluster, planned per seed
//	disasters.go    what befalls all hosts at once
//	routers.go      what routers say while a switchover waits for them
//	failsafe.go     promises between hosts while etcd is away
//	alone.go        a writer that goes on without anybody to acknowledge
//	checks.go       what must never be
//	run.go          one seed; sweep.go: many, and what is kept of them
//
// # What is simplified
//
// An agent decides anew when a fact has changed and at least each second; what
// merely moves positions on waits for that second while a reign is steady. In
// calm runs, from twenty seconds after a fault to twenty seconds before the next
// one, it is five seconds, and clients write once a second in all. The
// members of etcd are one object. A source has all its binlogs for ever. The
// gate's elements are exact; an address lives up to a second longer.
//
// # Results
//
// A sweep appends one line of JSON to docs/reliability/sim.jsonl, a Summary, of
// which RELIABILITY.md is made.
//
// # Ownership
//
// One goroutine runs one simulation, and Sweep starts and waits for them. Nothing
// here touches a network, a disk or a clock.
package sim
