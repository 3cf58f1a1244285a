package peer

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/topology"
)

// The limits of the server. A healthy cluster sends nothing at all, one without
// etcd five asks a TTL from each of a few hosts.
const (
	mostAtOnce  = 16                     // asks in work; more are turned away
	readLimit   = 500 * time.Millisecond // of one request, from its first byte on
	writeLimit  = time.Second
	idleLimit   = 30 * time.Second
	closeLimit  = time.Second
	mostTTL     = time.Minute // a promise beyond that is nobody's
	perSecond   = 50          // requests of one address
	burst       = 50
	headerBytes = 4 << 10
)

// Promiser judges an ask whose sender is known, and makes the promise. It
// returns no reason only when the promise binds this host, durably. ctx ends when
// nobody waits for the answer any longer.
type Promiser func(ctx context.Context, a topology.Ask, ttl time.Duration) (refusal string)

// ServerOptions says who answers and whom.
type ServerOptions struct {
	Self     topology.HostID
	Key      ed25519.PrivateKey
	KeyOf    func(topology.HostID) string // public key of a host; empty: not one of ours
	Known    func(netip.Addr) bool        // whether a host of the cluster has the address; others are not heard at all
	Promise  Promiser
	Reigning Reigning             // nil: this host never reigns
	Donate   Donor                // nil: this host gives no copies
	TLS      *certs.Certs         // nil: plain TCP; messages are signed all the same
	Clock    func() time.Duration // of one's own; goes on while the machine is suspended
	Log      *slog.Logger
}

// Server answers what other hosts ask.
type Server struct {
	opt    ServerOptions
	stamps *stamps
	rates  *rates
	turn   chan struct{}
	reigns chan struct{} // likewise, of questions that bind nobody

	copying chan struct{} // one at a time
}

// NewServer makes a server. It does nothing before Serve.
func NewServer(opt ServerOptions) *Server {
	return &Server{opt: opt, stamps: newStamps(opt.Clock), rates: newRates(opt.Clock), turn: make(chan struct{}, mostAtOnce), reigns: make(chan struct{}, mostReigns), copying: make(chan struct{}, 1)}
}

// Serve answers on the listener until ctx ends, and closes it.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	l = &known{Listener: l, may: s.opt.Known}
	if s.opt.TLS != nil {
		l = tls.NewListener(l, s.opt.TLS.Server())
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/stamp", s.limited(s.turn, s.stamp))
	mux.HandleFunc("POST /v1/promise", s.limited(s.turn, s.promise))
	mux.HandleFunc("POST /v1/copy", s.limited(s.turn, s.copy))
	mux.HandleFunc("GET "+reignPath, s.limited(s.reigns, s.reign))
	srv := &http.Server{
		Handler: mux, ReadHeaderTimeout: readLimit, ReadTimeout: readLimit, WriteTimeout: writeLimit, IdleTimeout: idleLimit,
		MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(s.opt.Log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("answer other hosts on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	if err := srv.Shutdown(late); err != nil {
		_ = srv.Close() // who hangs is cut off
	}
	<-done //nolint:errcheck // it was shut down above; only its end matters
	return ctx.Err()
}

// limited turns away who asks too much.
func (s *Server) limited(turn chan struct{}, do http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil || !s.rates.take(from.Addr().Unmap()) {
			http.Error(w, "too many requests", http.StatusTooManyRequests)
			return
		}
		select {
		case turn <- struct{}{}:
			defer func() { <-turn }()
			do(w, r)
		default:
			http.Error(w, "too many at once", http.StatusServiceUnavailable)
		}
	}
}

// stamp gives out a stamp; whoever reads it can do nothing with it without the key.
func (s *Server) stamp(w http.ResponseWriter, r *http.Request) {
	asker := topology.HostID(r.URL.Query().Get("for"))
	if s.opt.KeyOf(asker) == "" {
		http.Error(w, "not a host of this cluster", http.StatusForbidden)
		return
	}
	_, _ = io.WriteString(w, s.stamps.give(asker)) // if it does not arrive, it is asked for again
}

// promise hears an ask: who is it, is it new, and then what the Promiser says.
func (s *Server) promise(w http.ResponseWriter, r *http.Request) {
	q, err := s.hear(w, r)
	if err != nil {
		s.opt.Log.Debug("another host's ask is not heard", "from", r.RemoteAddr, "err", err)
		http.Error(w, "not heard", http.StatusForbidden)
		return
	}
	a := answer{Version: version, Cluster: q.Cluster, From: s.opt.Self, To: q.From, Epoch: q.Epoch, TTL: q.TTL, Nonce: q.Nonce}
	if s.stamps.use(q.From, q.Stamp, q.TTL) {
		a.Why = s.opt.Promise(r.Context(), topology.Ask{Cluster: q.Cluster, From: q.From, Epoch: q.Epoch}, q.TTL)
		a.Promised = a.Why == ""
	} else {
		a.Why, a.Stale = "the stamp of the question is too old or was used before", true
	}
	a.Stamp = s.stamps.give(q.From)
	body, sig, err := seal(s.opt.Key, answerWords, a)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set(signature, sig)
	_, _ = w.Write(body) // who does not get it asks again
}

// hear reads an ask and proves who sent it.
func (s *Server) hear(w http.ResponseWriter, r *http.Request) (ask, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		return ask{}, err
	}
	var q ask
	if err := json.Unmarshal(body, &q); err != nil {
		return ask{}, err
	}
	key, err := publicKey(s.opt.KeyOf(q.From))
	switch {
	case err != nil:
		return ask{}, fmt.Errorf("host %s has no key here: %w", q.From, ErrForged)
	case !genuine(key, askWords, body, r.Header.Get(signature)):
		return ask{}, fmt.Errorf("signature: %w", ErrForged)
	case q.Version != version:
		return ask{}, fmt.Errorf("version %d is not known", q.Version)
	case q.To != s.opt.Self:
		return ask{}, fmt.Errorf("it is for %s: %w", q.To, ErrForged)
	case q.TTL <= 0 || q.TTL > mostTTL:
		return ask{}, errors.New("nobody promises that long")
	}
	return q, nil
}

// known is a listener that hangs up on strangers before a byte is read.
type known struct {
	net.Listener
	may func(netip.Addr) bool
}

func (k *known) Accept() (net.Conn, error) {
	for {
		c, err := k.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from, err := netip.ParseAddrPort(c.RemoteAddr().String())
		if err == nil && k.may(from.Addr().Unmap()) {
			return c, nil
		}
		_ = c.Close() // a stranger
	}
}
