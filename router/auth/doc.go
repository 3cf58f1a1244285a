// Package auth proves who a client is, and logs in at servers as that client:
// the arithmetic of the authentication plugins, the accounts that the router
// knows, and three state machines over payloads (no packets, no sockets).
//
//	Front    looks at what a client answered to the router's greeting
//	Relay    passes a login on to a server, when Front cannot judge it
//	Back     logs in at a server with the Secret that a login gave
//
// # What is promised
//
// Nobody is let in without a proof of this login: Front accepts a proof over
// the salt of this connection against a stored form, Relay what the server
// accepted itself. That somebody was let in before is remembered nowhere.
//
// Whether an account is known, or its password wrong, cannot be seen from
// outside: Front sends nothing before it accepts, and whoever it does not
// accept goes to the server in the same way, gets the server's own question and
// the server's own error. Whom the server must not let in although it might (see
// below) goes the same way, too, with a wrong proof.
//
// # Whose host
//
// A server sees the router's address where its host patterns mean the client's.
// So there are two judges. Here, of a user's accounts the one with the most
// specific pattern that matches the client's own address is the one that is
// proven; a user that is known and has no pattern that matches is not let in, so
// that an account for the servers' own host does not open to the network because
// the router is on that host. The server judges again, by the router's address: an
// account needs a pattern for both. A user in the file of users has the patterns
// that stand there, and no others.
//
// Patterns mean what they mean to a server with skip_name_resolve: a name matches
// nobody, and localhost who comes by a unix socket. Where two patterns of a user
// have their first wildcard at the same place, servers promise no order.
//
// # Who may read
//
// A session reads from other servers only as its own user, for which the router
// needs a Secret: SHA1 of the password, which a proof by mysql_native_password
// yields to whoever has the stored double hash; or the password itself, from the
// file of users or from a full login by caching_sha2_password. Without one
// (ed25519, PAM, ...) the session has the one connection by which its login was
// relayed, and Relay says so in a reason.
//
// # Goroutines
//
// None of its own; Loader.Run is one loop, and its caller waits for it.
package auth
