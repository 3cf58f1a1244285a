// Package toll measures what a proxy costs: the CPU time that it takes for one
// statement, beside other proxies, in one run, so that the numbers may be compared.
//
// It owns the pages router.md, router.svg and router.json under docs/benchmarks.
// The way without a proxy, haproxy (which only copies bytes), MySQL Router passing
// through, mmmrouter with all that it does, and ProxySQL if there is one stand before
// the same two servers. Each cell is measured once a round, in an order drawn anew,
// all proxies right after each other; what is compared is the ratio to haproxy of the
// same cell in the same round, because the machine is not the same a minute later.
//
// Nothing is bound to a core unless it is asked for: on a machine that has little to
// do, a proxy that has a core for itself falls asleep after each packet, and its
// price is that of waking up.
//
// The clients are goroutines that a measurement waits for; servers and proxies are
// child processes, which Run ends before it returns, and which the kernel ends when
// Run is killed.
package toll
