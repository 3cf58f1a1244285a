// Package backend makes connections to servers: it dials, agrees on what both
// sides can do, brings TLS up, logs in as the client, and asks the server to say
// what changes in its session. A Pool keeps what a client left behind for the next
// client of the same user, whom the server judges again.
//
// It never decides which server, and sends no statement of a client. Who has a
// Conn owns it.
//
// Goroutines: none. All of a Pool may be used by many at once.
package backend
