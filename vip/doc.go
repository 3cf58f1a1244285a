// Package vip keeps virtual addresses (/32 and /128) on one network interface
// of this host, each with a lifetime that the kernel enforces.
//
// It owns the addresses that carry its mark on that interface, and nothing
// else: an address that somebody else configured is never changed, not even
// when it is one that the caller wants. It never decides which host should
// have an address, and it knows neither leases nor databases.
//
// # The lifetime is hygiene, not the fence
//
// The kernel counts lifetimes of addresses in whole seconds and was measured
// to remove them up to 1.1 s late. So a lifetime takes a dead host's address
// off the wire some time after its lease ended; it does not keep two hosts
// from answering. That is the job of the timed packet filter elements (R10).
// The Manager keeps them through Options.Fence: they are set before an address
// comes up, taken away before it goes, and asked for before each announcement.
//
// # Connections
//
// With Options.Cut the connections to an address end when it goes, after it is
// served no more and while a reset can still leave from it.
//
// # The mark
//
// An IPv4 address carries the label "<link>:mmm". IPv6 addresses have no label;
// they carry the route metric 7171437 (0x6d6d6d, "mmm"), which Linux stores and
// reports since 4.18 and which has no other effect, because the address is
// added without a prefix route. Both marks are shown by plain "ip addr".
//
// # Announcements
//
// A new address is announced (gratuitous ARP, unsolicited neighbour
// advertisement) at once and again 0.2, 1, 3 and 10 s later, because a single
// frame can be lost. An address is announced only while the caller vouches for
// it: after Drop, or past the deadline that was given last, no frame leaves.
//
// # Goroutines
//
//	Manager.Run   one, started by the caller: sends the announcements
//
// # Example
//
//	kernel, err := vip.NewKernel("eth0")
//	m := vip.New(vip.Options{Kernel: kernel, Log: log})
//	go m.Run(ctx)                                   // owned by the caller
//	err = m.Clear(ctx)                              // leftovers of a crashed run
//	err = m.Reconcile(ctx, want, deadline.Sub(now)) // whenever want changes
//	err = m.Extend(ctx, deadline.Sub(now))          // at each renewal of the lease
package vip
