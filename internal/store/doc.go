// Package store is the only package that knows the etcd keys of a cluster. It
// turns what stands under /mmm/<cluster>/ into topology.Cluster, and the wishes
// of agents, routers and operators into guarded transactions.
//
// What it owns: the names of the keys, the JSON of their values, which guard
// each write carries, and how a reply that never came is settled.
//
// What it never does: judge. It knows no reason why a host should be writer, it
// never decides to write by itself, and it keeps no lease alive (package
// election does). There is no unguarded put in it.
//
// # Writes
//
// Every guard is "key K still has revision R" (0: K is absent), and at least
// one guarded key of every transaction is changed by that same transaction. So
// of several copies of one request at most one can take effect, and a copy that
// is refused shows whether an earlier one did. That is how a write without an
// answer is settled (R16): the identical transaction goes to the next member
// until one of them answers or the caller's context ends; only then the result
// is ErrUnknownOutcome. A late copy that a frozen member sends on after a minute
// is refused like any other.
//
// # Reads
//
// All reads are linearizable. They ask the nearest member first and another one
// after 100 ms; a member that was slow or gone is asked last for a while.
//
// # Goroutines
//
//	owner            goroutine            ends
//	a reading call   one per member asked before the call returns
//	Watcher.Run      receiver, prover     before Run moves to another member
//	Client.WatchEvents  the same two      before it returns
//
// gRPC keeps its own goroutines per connection until Client.Close.
//
// # Values
//
// Each value is a JSON object with "v":1 in front. A field that this version
// does not know is ignored; a change whose loss would matter raises v, and a
// value of a higher v is reported as unreadable and never rewritten blindly:
// all writers name the revision that they read.
//
// A typical agent:
//
//	client, err := store.Open(ctx, store.Options{Endpoints: eps, Cluster: "shop", Log: log})
//	watcher := client.NewWatcher()
//	go watcher.Run(ctx)
//	for cluster := range watcher.Changes() { ... }
package store
