// Package agent is the daemon of one database host. It gathers what etcd and
// the local mysqld say into a topology.View, lets topology.Decide judge it, and
// acts. It owns this host's lease, its VIPs, and whether its mysqld may be
// written to. It never judges by itself and never touches another host.
//
// One failover, followed through the files: probe.go notices that mysqld died;
// loop.go gathers, and agent/step holds what is known and asks topology.Decide; act.go runs what
// it says, one action a lane: act_fence.go closes and gives the writer key back;
// on the other hosts act_election.go bids, fetches and campaigns; act_reign.go
// makes the winner a source, writes the epoch row and opens; act_follow.go
// points the others at it; act_vip.go moves the reader addresses.
//
// A host that nothing else brings back fetches a copy of another and puts it in
// place of its data in act_clone.go; donate.go is the other side.
//
// Goroutines, all started by Run and waited for there:
//
//	loop       owns the state; everybody else sends it values          loop.go
//	watch      sends the newest reading of etcd                        agent.go
//	probe      sends the newest reading of mysqld                      probe.go
//	knocks     tries whether mysqld takes new connections              fresh.go
//	disk       tries whether the disk of the datadir takes writes; each try is
//	           a goroutine more, never two, and a stalled one is not waited
//	           for: nothing can end it                               disk.go
//	leases     opens a lease, keeps it, opens another when it is gone  lease.go
//	lifetimes  extends kernel lifetimes at each renewal; closes when
//	           none comes (the dead-man)                               lifetimes.go
//	gate       asserts the packet filter rules of the client port          gate.go
//	heartbeat  writes this host's report                               heartbeat.go
//	historian  writes events                                           history.go
//	vip.Run    repeats announcements                                   package vip
//	sayings    asks the mmmrouter beside it what operators see of it     says.go
//	inspect    reads the settings of each new run of mysqld            open.go
//	keep       marks the log files of each new run of mysqld, reads what
//	           was kept of an earlier one                              kept.go
//	survey     measures the space that a copy of this host takes       clone.go
//	askOthers  asks the other hosts for promises while etcd is away    failsafe.go
//	answerOthers  answers them when they ask                           promise.go
//	leader     keeps etcd's leadership off the writer's host           leader.go
//	actions    at most one a lane, started by loop                     act.go
package agent
