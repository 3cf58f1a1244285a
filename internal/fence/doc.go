// Package fence keeps the packet filter rules of this host's agent, in an
// nftables table of its own (inet mmm): who is kept away from the listener that
// replicas attach to, and which deposed writers this host no longer talks to.
//
// It owns that table alone. It never reads or changes other tables, and its
// "accept" lets no packet past them. It decides nothing: whole lists of
// addresses come from the caller, each call replaces one list in one step of the
// kernel, and calling again with the same list costs one question to the kernel.
//
// # The rules
//
// All of them answer with a TCP reset, in both directions, so that established
// connections end on both sides as soon as either says something, and nothing
// is left to wait for a timeout. Resets themselves pass, else the kernel would
// drop its own.
//
//	Reject   this host <-> a deposed writer's port
//	Refuse   the named hosts <-> a port of this host
//	Admit    all but the named hosts <-> a port of this host
//
// "nft list table inet mmm" shows them.
//
// # The port gate
//
// Gate is what stands between clients and the database port (fence 1: R7 to R9).
// None is the gate of an agent that has none, and says so.
//
// # Goroutines
//
// None.
package fence
