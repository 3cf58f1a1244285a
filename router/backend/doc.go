// Package backend makes connections to servers: it dials, agrees on what both
// sides can do, brings TLS up, logs in as the client, and asks the server to say
// what changes in its session.
//
// It never decides which server, sends no statement of a client, and keeps no
// connection: who has a Conn owns it.
package backend
