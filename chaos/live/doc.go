// Package live holds the integration tests of the whole system: real mysqlds,
// real etcd members, the real mmmagent and mmmctl, on whole hosts in network
// namespaces of a test bed (package lab), while a client writes through the
// writer VIP (package load). There is no code here but tests and their helpers.
//
// A test takes the shared bed when it is well, does one thing to it, waits for
// facts (never for a time), and gives it back well. "Well" is the same at both
// ends of every test (well_test.go): each acknowledged row exactly once on every
// server, one writable server, each VIP on one interface, every host ONLINE and
// in the acker set. A test that fails, or that must leave ruins, throws its bed
// away; the next one makes another. The logs of a failed test are kept, and the
// message says where.
//
// The tests need root, MariaDB and the packages that scripts/install-deps.sh
// installs; MMM_REQUIRE=netns,mariadb,etcd makes a missing one a failure. They
// build the programs themselves unless MMM_BIN names a directory that has them.
//
// Goroutines: one per accepted connection of the way to etcd, ended with the
// bed; one per client that writes, waited for when it is stopped.
package live
