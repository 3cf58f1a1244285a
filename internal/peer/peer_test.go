package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mmm-ha/mmm/topology"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	ttl   = 2 * time.Second
	asker = topology.HostID("id-a")
	other = topology.HostID("id-b")
	third = topology.HostID("id-c")
)

// stage is a host that promises everything to everybody whom it can believe, and
// one that asks it.
type stage struct {
	t      *testing.T
	server Host
	client *Client
	keys   map[topology.HostID]ed25519.PrivateKey
	given  atomic.Int64 // promises made
	refuse atomic.Value // string: why not
	clock  atomic.Int64 // of the server
	wire   *tap
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newStage(t *testing.T, change func(*ServerOptions)) *stage {
	t.Helper()
	s := &stage{t: t, keys: map[topology.HostID]ed25519.PrivateKey{asker: newKey(t), other: newKey(t), third: newKey(t)}}
	s.clock.Store(int64(time.Hour))
	s.refuse.Store("")
	opt := ServerOptions{
		Self: other, Key: s.keys[other], Log: slog.New(slog.DiscardHandler),
		Known: func(a netip.Addr) bool { return a.IsLoopback() },
		KeyOf: func(id topology.HostID) string {
			if k, ok := s.keys[id]; ok {
				return Public(k)
			}
			return ""
		},
		Clock: func() time.Duration { return time.Duration(s.clock.Add(1)) },
		Promise: func(context.Context, topology.Ask, time.Duration) string {
			why, _ := s.refuse.Load().(string)
			if why == "" {
				s.given.Add(1)
			}
			return why
		},
	}
	if change != nil {
		change(&opt)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- NewServer(opt).Serve(ctx, l) }()
	s.server = Host{ID: other, Address: netip.MustParseAddrPort(l.Addr().String()), Key: Public(s.keys[other])}
	s.client = s.as(asker)
	t.Cleanup(func() {
		s.client.Close()
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the server ended: %v", err)
		}
	})
	return s
}

// as is a client that says it is a host, with that host's key, on a tapped wire.
func (s *stage) as(id topology.HostID) *Client {
	c := NewClient(ClientOptions{Self: id, Key: s.keys[id]})
	s.wire = &tap{next: c.http.Transport}
	c.http.Transport = s.wire
	s.t.Cleanup(c.Close)
	return c
}

func (s *stage) ask(c *Client) (string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	return c.Ask(ctx, s.server, Question{Cluster: "c-1", Epoch: 7, TTL: ttl})
}

// mustPromise asks and is promised.
func (s *stage) mustPromise() {
	s.t.Helper()
	if why, err := s.ask(s.client); why != "" || err != nil {
		s.t.Fatalf("refused: %q, %v", why, err)
	}
}

// tap is an attacker on the wire: it sees every request and answer, and may
// change or replace them.
type tap struct {
	next http.RoundTripper
	mu   sync.Mutex
	asks []recorded // POST requests
	body [][]byte   // answers to them
	sigs []string

	onAsk    func(r *http.Request, body []byte) []byte
	onAnswer func(h http.Header, body []byte) []byte
}

type recorded struct {
	url, sig string
	body     []byte
}

func (p *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Method != http.MethodPost {
		return p.next.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	p.asks = append(p.asks, recorded{r.URL.String(), r.Header.Get(signature), body})
	if p.onAsk != nil {
		body = p.onAsk(r, body)
	}
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	resp, err := p.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	p.body, p.sigs = append(p.body, answer), append(p.sigs, resp.Header.Get(signature))
	if p.onAnswer != nil {
		answer = p.onAnswer(resp.Header, answer)
	}
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	return resp, err
}

// replay sends a recorded ask again, as anybody on the network can.
func (s *stage) replay(q recorded) (status int, text string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, q.url, bytes.NewReader(q.body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set(signature, q.sig)
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := plain.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestPromiseIsAskedAndGivenAgainAndAgain(t *testing.T) {
	s := newStage(t, nil)
	for range 20 {
		s.mustPromise()
	}
	if n := s.given.Load(); n != 20 {
		t.Errorf("%d promises", n)
	}
}

func TestRefusalComesWithItsReason(t *testing.T) {
	s := newStage(t, nil)
	s.refuse.Store("it sees etcd")
	if why, err := s.ask(s.client); why != "it sees etcd" || err != nil {
		t.Errorf("%q, %v", why, err)
	}
}

func TestWhoIsNotThereGivesNoAnswer(t *testing.T) {
	s := newStage(t, nil)
	s.server.Address = netip.MustParseAddrPort("127.0.0.1:1")
	if _, err := s.ask(s.client); !errors.Is(err, ErrNoAnswer) {
		t.Errorf("%v", err)
	}
}

// A recorded ask binds nobody when it is played again.
func TestAskCountsOnce(t *testing.T) {
	s := newStage(t, nil)
	s.mustPromise()
	q := s.wire.asks[0]
	for range 3 {
		if _, text := s.replay(q); !strings.Contains(text, `"promised":false`) {
			t.Errorf("answered %s", text)
		}
	}
	s.mustPromise()
	if n := s.given.Load(); n != 2 {
		t.Errorf("%d promises for two asks", n)
	}
}

// An ask that was held back on the way binds nobody later.
func TestAskThatWasHeldBackIsStale(t *testing.T) {
	s := newStage(t, nil)
	s.mustPromise()
	held := false
	s.wire.onAsk = func(_ *http.Request, body []byte) []byte {
		if !held {
			held = true
			s.clock.Add(int64(ttl + 1))
		}
		return body
	}
	s.mustPromise() // by asking again, with a fresh stamp
	if len(s.wire.asks) != 3 || s.given.Load() != 2 {
		t.Errorf("%d asks, %d promises", len(s.wire.asks), s.given.Load())
	}
}

// An older answer, however genuine, is none to this ask.
func TestAnswerOfAnotherRoundIsForged(t *testing.T) {
	s := newStage(t, nil)
	s.mustPromise()
	s.refuse.Store("not any more")
	s.wire.onAnswer = func(h http.Header, _ []byte) []byte {
		h.Set(signature, s.wire.sigs[0])
		return s.wire.body[0]
	}
	if _, err := s.ask(s.client); !errors.Is(err, ErrForged) {
		t.Errorf("%v", err)
	}
}

func TestChangedAnswerIsForged(t *testing.T) {
	s := newStage(t, nil)
	s.refuse.Store("no")
	s.wire.onAnswer = func(_ http.Header, body []byte) []byte {
		return bytes.Replace(body, []byte(`"promised":false`), []byte(`"promised":true`), 1)
	}
	if _, err := s.ask(s.client); !errors.Is(err, ErrForged) {
		t.Errorf("%v", err)
	}
}

// Another host of the cluster cannot answer for the one that was asked.
func TestNobodyAnswersForAnotherHost(t *testing.T) {
	s := newStage(t, func(o *ServerOptions) { o.Self = other })
	s.server.Key = Public(s.keys[third])
	if _, err := s.ask(s.client); !errors.Is(err, ErrForged) {
		t.Errorf("%v", err)
	}
}

func TestForgedAsksAreNotHeard(t *testing.T) {
	for name, forge := range map[string]func(s *stage, body []byte) ([]byte, string){
		"unsigned": func(_ *stage, body []byte) ([]byte, string) { return body, "" },
		"changed": func(s *stage, body []byte) ([]byte, string) {
			return bytes.Replace(body, []byte(`"epoch":7`), []byte(`"epoch":9`), 1), s.wire.asks[0].sig
		},
		"signed by another host": func(s *stage, body []byte) ([]byte, string) {
			return body, signed(s.keys[third], askWords, body)
		},
		"from a host that is not ours": func(s *stage, body []byte) ([]byte, string) {
			body = bytes.Replace(body, []byte(asker), []byte("id-x"), 1)
			return body, signed(s.keys[asker], askWords, body)
		},
		"for another host": func(s *stage, body []byte) ([]byte, string) {
			body = bytes.Replace(body, []byte(other), []byte(third), 1)
			return body, signed(s.keys[asker], askWords, body)
		},
		"signed as an answer": func(s *stage, body []byte) ([]byte, string) {
			return body, signed(s.keys[asker], answerWords, body)
		},
		"for a year": func(s *stage, body []byte) ([]byte, string) {
			body = bytes.Replace(body, []byte(`"ttl":2000000000`), []byte(`"ttl":31536000000000000`), 1)
			return body, signed(s.keys[asker], askWords, body)
		},
		"too long": func(s *stage, body []byte) ([]byte, string) {
			body = append(body, bytes.Repeat([]byte(" "), mostBytes)...)
			return body, signed(s.keys[asker], askWords, body)
		},
		"no JSON": func(s *stage, _ []byte) ([]byte, string) {
			return []byte("{"), signed(s.keys[asker], askWords, []byte("{"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, nil)
			s.wire.onAsk = func(r *http.Request, body []byte) []byte {
				body, sig := forge(s, body)
				r.Header.Set(signature, sig)
				return body
			}
			if _, err := s.ask(s.client); !errors.Is(err, ErrNoAnswer) {
				t.Errorf("%v", err)
			}
			if n := s.given.Load(); n > 0 {
				t.Errorf("%d promises", n)
			}
		})
	}
}

func signed(key ed25519.PrivateKey, words string, body []byte) string {
	_, sig, err := seal(key, words, rawBody(body))
	if err != nil {
		return ""
	}
	return sig
}

// rawBody encodes as itself.
type rawBody []byte

// MarshalJSON returns the bytes as they are.
func (b rawBody) MarshalJSON() ([]byte, error) { return b, nil }

// A stamp that was made for one asker is worth nothing for another one.
func TestStampIsOfOneAsker(t *testing.T) {
	s := newStamps(func() time.Duration { return time.Hour })
	if stamp := s.give(asker); s.use(third, stamp, ttl) || !s.use(asker, stamp, ttl) {
		t.Error("it counted for another asker, or not for its own")
	}
	if newStamps(s.now).use(asker, s.give(asker), ttl) {
		t.Error("it counted for another run of the server")
	}
}

func TestStrangersAreNotHeardAtAll(t *testing.T) {
	s := newStage(t, func(o *ServerOptions) { o.Known = func(netip.Addr) bool { return false } })
	c, err := net.Dial("tcp", s.server.Address.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /v1/stamp?for="+string(asker)+" HTTP/1.1\r\nHost: db1\r\n\r\n") // it may be cut off before
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

func TestWhoAsksTooMuchIsTurnedAway(t *testing.T) {
	at := time.Hour
	r := newRates(func() time.Duration { return at })
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	heard := 0
	for range 10 * burst {
		if r.take(one) {
			heard++
		}
	}
	if heard != burst || !r.take(two) {
		t.Errorf("%d heard, and another host pays for it", heard)
	}
	if at += time.Second; !r.take(one) {
		t.Error("it is never heard again")
	}
}

// Who opens connections and says nothing holds nothing up.
func TestSilentConnectionsHoldNothingUp(t *testing.T) {
	s := newStage(t, nil)
	for range 2 * mostAtOnce {
		c, err := net.Dial("tcp", s.server.Address.String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	s.mustPromise()
}
