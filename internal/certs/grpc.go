package certs

import (
	"context"
	"net"
	"syscall"

	"google.golang.org/grpc/credentials"
)

// Credentials is this side as a client of gRPC. Each handshake reads the files
// anew. told hears the cause, explained, when a connection does not come about for
// the certificates, and nil when the next one begins. It must not block.
func (c *Certs) Credentials(told func(error)) credentials.TransportCredentials {
	return &handshaker{TransportCredentials: credentials.NewTLS(c.Client()), certs: c, told: told}
}

type handshaker struct {
	credentials.TransportCredentials
	certs *Certs
	told  func(error)
}

// ClientHandshake makes one connection safe.
func (h *handshaker) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	h.told(nil)
	conn, info, err := credentials.NewTLS(h.certs.Client()).ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, h.explain(h.certs.handshake(err))
	}
	watched := &watchedConn{Conn: conn, explain: h.explain}
	if sys, ok := conn.(syscall.Conn); ok { // gRPC sets options of TCP by it
		return struct {
			*watchedConn
			syscall.Conn
		}{watched, sys}, info, nil
	}
	return watched, info, nil
}

// Clone copies it.
func (h *handshaker) Clone() credentials.TransportCredentials {
	return &handshaker{TransportCredentials: h.TransportCredentials.Clone(), certs: h.certs, told: h.told}
}

func (h *handshaker) explain(err error) error {
	err = h.certs.Explain(err)
	if isExplained(err) {
		h.told(err)
	}
	return err
}

// watchedConn hears what the other side says of our certificate. With TLS 1.3 that
// comes when the handshake is over for this side; a write may fail before the word
// is read, and then the word is the better cause.
type watchedConn struct {
	net.Conn
	explain func(error) error
}

func (w *watchedConn) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	return n, w.explain(err)
}

func (w *watchedConn) Write(p []byte) (int, error) {
	n, err := w.Conn.Write(p)
	if err == nil {
		return n, nil
	}
	// The connection is broken, so this returns at once; TLS gives every reader the
	// same word.
	_, word := w.Conn.Read(make([]byte, 1))
	if word = w.explain(word); isExplained(word) {
		return n, word
	}
	return n, err
}
