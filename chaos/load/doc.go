// Package load is a client that writes through the writer VIP all the time,
// remembers what it was told, and checks afterwards that it was told the truth.
//
// Each attempt inserts one row with an identity (client, seq) that is never
// used again. It ends as Acked (the server said OK), Refused (the row is
// certainly nowhere) or Unknown (no answer: the row may exist or not). Verify
// then demands of every server: each acknowledged row exactly once, no row that
// was refused or never sent, and the same table checksum everywhere.
//
// Times are monotonic, so a gap between two acknowledgements is exact. The
// package never judges why a write failed and starts no goroutine; Run blocks.
package load
