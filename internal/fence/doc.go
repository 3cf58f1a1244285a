// Package fence keeps the packet filter rules of this host's agent, in an
// nftables table of its own (inet mmm): who is kept away from the listener that
// replicas attach to, and which deposed writers this host no longer talks to; and
// the gate of the port that clients use.
//
// It owns those tables alone. It never reads or changes others, and its
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
// Gate is what stands between clients and the database port (fence 1: R4, R7 to
// R10), in two tables of its own (inet mmm_gate, arp mmm_gate), which an agent
// that starts does not replace: what is open for a time is the lease of the agent
// before. Port is the gate of nftables, None that of an agent that has none, and
// says so.
//
//	open     clients <-> the client port of this host, loopback too, unless the
//	         port is in the set: with the lease's deadline for a writer, without
//	         end for readers
//	peers    the hosts of the cluster and this host itself <-> the replication port
//	served   virtual addresses that this host may answer for (ARP, neighbour
//	         discovery, packets), with the lease's deadline
//	left     the same, for two seconds longer: who connects to one of them that is
//	         not served gets a reset, for silence would cost him a second
//
// The kernel ends what is timed, to the millisecond and up to 20 ms early, whether
// the agent is alive or not. An extension takes the element out and puts it in
// again in one step: putting in what is there does not extend it. Frames that are
// sent by packet sockets pass the arp table by, so an announcer asks Serving first.
//
// # Goroutines
//
// None.
package fence
