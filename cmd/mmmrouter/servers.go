package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/backend"
)

// servers is how the router speaks to servers. New certificates count for the next
// connection; broken ones change nothing but the log.
type servers struct {
	files router.BackendTLS
	log   *slog.Logger
	now   atomic.Pointer[backend.TLS]
	seen  string // the files, as they were when they were last read
}

// lookEvery is how soon new certificates are found.
const lookEvery = 5 * time.Second

// newServers reads the files.
func newServers(files router.BackendTLS, log *slog.Logger) (*servers, error) {
	s := &servers{files: files, log: log}
	_, err := s.read()
	return s, err
}

// read takes the files if they have changed. The error says why they were not taken.
func (s *servers) read() (taken bool, err error) {
	seen := stamps(s.files.CA, s.files.Cert, s.files.Key) // before reading: a change meanwhile is seen by the next look
	if seen == s.seen && s.now.Load() != nil {
		return false, nil
	}
	s.seen = seen // broken ones are not said again at each look
	t := backend.TLS{Mode: backend.TLSMode(s.files.TLS)}
	if s.files.TLS != router.BackendOff && s.files.TLS != "" {
		c, err := certs.Open(s.files.Certs())
		if err != nil {
			return false, err
		}
		t.Config = c.Client()
	}
	s.now.Store(&t)
	return true, nil
}

// watch looks at the files until ctx ends.
func (s *servers) watch(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			s.look()
		}
	}
}

func (s *servers) look() {
	switch taken, err := s.read(); {
	case err != nil:
		s.log.Error("the new certificates for servers were not taken: new connections use those before", "err", err)
	case taken:
		s.log.Info("new certificates are used for connections to servers")
	}
}

// policy is how the next connection is made.
func (s *servers) policy() backend.TLS { return *s.now.Load() }

// demanded is the configuration for a connection to an address; nil when TLS is not
// asked for.
func (s *servers) demanded(to netip.AddrPort) *tls.Config {
	t := s.policy()
	if t.Mode != backend.TLSRequire && t.Mode != backend.TLSVerify {
		return nil
	}
	c := t.Config.Clone()
	c.ServerName = to.Addr().String()
	c.InsecureSkipVerify = t.Mode != backend.TLSVerify
	return c
}

// stamps tells one content of some files from another without reading them.
func stamps(paths ...string) string {
	var b strings.Builder
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			_, _ = fmt.Fprintf(&b, "%d %d,", info.ModTime().UnixNano(), info.Size())
		} else {
			b.WriteString("-,")
		}
	}
	return b.String()
}
