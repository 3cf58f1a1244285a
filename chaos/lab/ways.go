package lab

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/internal/certs"
)

// Ways are ports on this process's own loopback, one per etcd member, that lead
// there from a host, for a client library that cannot be told to dial from
// within one.
type Ways struct {
	Endpoints []string     // in the order of Bed.Endpoints
	TLS       *certs.Certs // to show there; nil: the bed has no TLS
	listeners []net.Listener
	done      sync.WaitGroup
}

// WaysToEtcd opens the ways from a host. They live until Close.
func (b *Bed) WaysToEtcd(host string) (*Ways, error) {
	dialer, err := b.Dialer(host)
	if err != nil {
		return nil, err
	}
	by, err := b.certs(host)
	if err != nil {
		return nil, err
	}
	w := &Ways{TLS: by}
	for _, member := range b.Endpoints(host) {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, w.Close())
		}
		w.listeners = append(w.listeners, l)
		scheme, to, _ := strings.Cut(member, "://")
		w.Endpoints = append(w.Endpoints, scheme+"://"+l.Addr().String())
		w.done.Go(func() { forward(l, dialer, to) })
	}
	return w, nil
}

// Close ends the ways. A connection that is open ends with either of its sides.
func (w *Ways) Close() error {
	var errs []error
	for _, l := range w.listeners {
		errs = append(errs, l.Close())
	}
	w.done.Wait()
	return errors.Join(errs...)
}

// forward ends when the listener is closed.
func forward(l net.Listener, dialer *Dialer, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			out, err := dialer.DialContext(ctx, "tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			var both sync.WaitGroup
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				both.Go(func() {
					_, _ = io.Copy(way[0], way[1]) // the end of one side ends the other
					_ = way[0].Close()
				})
			}
			both.Wait()
		}()
	}
}
