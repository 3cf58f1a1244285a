// Package process knows one run of a mysqld as the kernel sees it: which run it
// is (its incarnation), when it ends, and how to end it for certain.
//
// It never talks SQL, never looks a process up by name, and never signals a
// process that is not the very run it was asked about.
//
// Goroutines: Watch starts one per call. It ends with the process or with the
// context, whichever comes first, and closes its channel as its last act; the
// caller waits for it by receiving from the channel.
package process
