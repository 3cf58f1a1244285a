// Package lab is the test bed: whole hosts on one machine, with faults.
//
// A bed is a switch (a bridge in a network namespace of its own) and hosts that
// hang on it. A host is a process, its init, with its own network, pid, mount
// and UTS namespace; what runs on the host (mysqld, the agent, an etcd member)
// are children of that init, which starts them again as systemd would. SIGKILL
// of the init is therefore a power cut: the kernel ends everything on the host
// at once, with its addresses and packet filter.
//
//	world (pid 1 of its pid namespace: the holder, or a test binary)
//	 ├─ switch: bridge "br0", one port per host, nftables table "cut"
//	 ├─ init of db1 ── mysqld, mmmagent etcd, mmmagent run
//	 ├─ init of db2 ── ...
//	 └─ init of client
//
// A bed lives inside a world (World, RunTests): private pid, mount and network
// namespaces. When pid 1 of the world ends, however it ends, the kernel ends
// all the rest; nothing is left and nothing of the machine was touched. Beds
// have no fixed names or paths outside their work directory, so many can run
// at once, in one world or in several.
//
// Each fault verifies that it bites, and each repair that it healed; else it
// returns an error. A test whose fault did not happen proves nothing.
//
// The package never judges the cluster, never talks to etcd's keys and never
// kills a process that it did not start.
//
// Goroutines: one per living host waits for the end of its init and is waited
// for by KillHost or Bed.Close. In the init itself one goroutine reads requests
// and one owns all state; both end with the process.
package lab
