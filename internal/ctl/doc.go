// Package ctl is what mmmctl and mmm_control do: each command is a method of
// Ctl that reads the cluster from a Store, judges with package topology alone,
// prints to a writer, and places wishes and orders.
//
// It owns the texts that operators read, the versioned JSON of -o json, and the
// exit codes. It never decides who is writer and carries nothing out by itself:
// an order stands in etcd and the agents follow it, so that a mmmctl that is
// killed in the middle leaves nothing half done. It knows no flags, no
// environment and no terminal; cmd/mmmctl gives it those as values.
//
// Data goes to Out, chatter and progress to Err. A command returns nil only when
// the wanted end was reached; ExitOf turns the error into the exit code.
//
// It starts no goroutines.
package ctl
