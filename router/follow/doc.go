// Package follow knows where the writer and the readers are: it turns what stands
// in etcd into one value, View, and says until when that value may be believed.
//
// What it never does: speak with databases, or write to etcd.
//
// # Goroutines
//
// Run owns the watcher's goroutine and waits for it.
package follow
