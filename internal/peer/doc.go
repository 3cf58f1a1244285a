// Package peer carries questions and answers between the agents of two hosts
// while etcd is away: "do you promise to keep still?" (R49-R51).
//
// It owns the wire: HTTP with JSON, the signature of each message, that nothing
// is taken twice or late, and the limits on what a stranger can make it do. It
// never judges (whether to promise is for the Promiser that it was given), never
// looks at etcd or at a database, and keeps no promise: it only says what was said.
//
// # A round
//
//	asker                                     asked host
//	GET /v1/stamp?for=<asker>            ->   a stamp: its clock, sealed      (once; each answer brings the next)
//	POST /v1/promise {ask}, signed       ->   address, size, signature, stamp; then the Promiser
//	                                     <-   {answer}, signed
//
// Each host signs with a key of its own (Ed25519), and knows the others by the
// public keys that they wrote into etcd while it was there. So no host can speak
// for another one, and nothing secret ever leaves a host.
//
// An answer counts only if it bears the asker's nonce of that round: an old one
// is worth nothing. An ask counts only if it bears a stamp that the asked host
// made for that asker, within the asked time, and no such stamp counts twice: who
// records asks and plays them again binds nobody, and who holds one back can
// delay it by no more than one TTL.
//
// The same port carries copies of a host's data (copy.go): an ask, signed and with
// a stamp, answered by pieces that are each signed for that ask and their place.
//
// A router that lost etcd asks on it, too, whether the writer still reigns
// (reign.go, R57): GET, answered by a signed word that bears the question's nonce.
//
// With a TLS configuration both sides show certificates besides.
//
// # Goroutines
//
//	goroutine    owner         ends
//	accepting    Server.Serve  when its context ends; Serve waits for it
//	alive        copy          says during a copy that the donor lives; copy waits for it
//	connection   net/http      when Serve closes the server; Serve waits for the handlers
//
// A Client starts none of its own; net/http keeps its connections until Close.
package peer
