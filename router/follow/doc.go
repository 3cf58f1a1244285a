// Package follow knows where the writer and the readers are: it turns what stands
// in etcd into one value, View, and says until when that value may be believed.
//
// It writes one key to etcd, under a lease of its own: that this router is there,
// and for which planned switchover it holds its clients' statements back (R58).
//
// What it never does: speak with databases.
//
// # Goroutines
//
// Run owns the goroutines of the watcher, of the herald that writes the key, and of
// its lease, and waits for them.
package follow
