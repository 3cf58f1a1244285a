package peer

import (
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/internal/certs/certstest"
	"github.com/mmm-ha/mmm/topology"
)

// reigns is a host that reigns in epoch 7 of cluster c-1 for another second.
func reigns(o *ServerOptions) {
	o.Reigning = func(_ context.Context, a topology.Ask) (time.Duration, string) {
		if a.Cluster != "c-1" || a.Epoch != 7 {
			return 0, "it does not reign"
		}
		return time.Second, ""
	}
}

// stranger asks as a router does: without a key, on a wire that can be tampered with.
func (s *stage) stranger(change func(body []byte, h http.Header) []byte) *Client {
	c := NewClient(ClientOptions{})
	next := c.http.Transport
	c.http.Transport = wire(func(r *http.Request) (*http.Response, error) {
		resp, err := next.RoundTrip(r)
		if err != nil || change == nil {
			return resp, err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(strings.NewReader(string(change(body, resp.Header))))
		return resp, err
	})
	s.t.Cleanup(func() { next.(*http.Transport).CloseIdleConnections() })
	return c
}

type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func TestAHostSaysWhetherItReigns(t *testing.T) {
	s := newStage(t, reigns)
	c := s.stranger(nil)
	for _, tt := range []struct {
		cluster string
		epoch   topology.Rev
		left    time.Duration
	}{{"c-1", 7, time.Second}, {"c-1", 8, 0}, {"c-2", 7, 0}} {
		left, why, err := c.Reign(t.Context(), s.server, tt.cluster, tt.epoch)
		if err != nil || left != tt.left || (why == "") != (left > 0) {
			t.Errorf("%s, epoch %d: %s, %q, %v", tt.cluster, tt.epoch, left, why, err)
		}
	}
}

func TestAForgedWordOfAReignIsWorthNothing(t *testing.T) {
	s := newStage(t, reigns)
	var body []byte
	var sig string
	recorder := s.stranger(func(b []byte, h http.Header) []byte { body, sig = b, h.Get(signature); return b })
	if _, _, err := recorder.Reign(t.Context(), s.server, "c-1", 7); err != nil {
		t.Fatal(err)
	}
	for fact, change := range map[string]func([]byte, http.Header) []byte{
		"an old answer played again": func(_ []byte, h http.Header) []byte { h.Set(signature, sig); return body },
		"more time than was said": func(b []byte, _ http.Header) []byte {
			return []byte(strings.Replace(string(b), `"left":1000000000`, `"left":9000000000`, 1))
		},
		"the signature of another host": func(b []byte, h http.Header) []byte {
			_, sig, err := sealed(s.keys[third], b)
			if err != nil {
				t.Error(err)
			}
			h.Set(signature, sig)
			return b
		},
		"no signature": func(b []byte, h http.Header) []byte { h.Del(signature); return b },
	} {
		if left, _, err := s.stranger(change).Reign(t.Context(), s.server, "c-1", 7); !errors.Is(err, ErrForged) || left != 0 {
			t.Errorf("%s: %s, %v", fact, left, err)
		}
	}
}

// sealed signs a body as it is.
func sealed(key ed25519.PrivateKey, body []byte) ([]byte, string, error) {
	return seal(key, reignWords, rawMessage(body))
}

type rawMessage []byte

func (m rawMessage) MarshalJSON() ([]byte, error) { return m, nil }

func TestWhoNeverReignsIsNotAsked(t *testing.T) {
	s := newStage(t, nil)
	if _, _, err := s.stranger(nil).Reign(t.Context(), s.server, "c-1", 7); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v, want no answer", err)
	}
}

// Where agents demand certificates of each other, they demand one of a router, too.
func TestAReignIsAskedForByTLS(t *testing.T) {
	dir := t.TempDir()
	ca, err := certstest.New(dir, "ca")
	if err != nil {
		t.Fatal(err)
	}
	shown := func(name string) *certs.Certs {
		cert, key, err := ca.Sign(dir, certstest.Want{Name: name, Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := certs.Open(certs.Files{CA: ca.File, Cert: cert, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	s := newStage(t, func(o *ServerOptions) { reigns(o); o.TLS = shown("db1") })
	router := NewClient(ClientOptions{TLS: shown("router1")})
	defer router.Close()
	if left, why, err := router.Reign(t.Context(), s.server, "c-1", 7); err != nil || left != time.Second {
		t.Errorf("%s, %q, %v", left, why, err)
	}
	if _, _, err := s.stranger(nil).Reign(t.Context(), s.server, "c-1", 7); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("without a certificate: %v", err)
	}
}
