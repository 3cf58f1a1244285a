// Package price measures what it costs that an acknowledged write is safe: a
// source and one replica on this machine, the same clients against each choice of
// settings, in one run, so that the numbers may be compared with each other.
//
// It owns the page docs/benchmarks/durability.md. It never says what a cluster on
// another machine does; the ratios are what a reader may take with him.
//
// The clients are goroutines that measure waits for; the servers are child
// processes, which Run ends before it returns.
package price
