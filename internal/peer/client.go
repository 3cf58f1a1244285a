package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/internal/certs"
	"github.com/mmm-ha/mmm/topology"
)

// Host is another host, as this one knows it.
type Host struct {
	ID      topology.HostID
	Address netip.AddrPort // where its agent answers
	Key     string         // its public key
}

// Question is what a host is asked to promise.
type Question struct {
	Cluster string        // id of the cluster
	Epoch   topology.Rev  // of the reign of who asks; 0: it serves reader VIPs only
	TTL     time.Duration // for how long; counted on the clock of who promises
}

// ClientOptions says who asks.
type ClientOptions struct {
	Self topology.HostID
	Key  ed25519.PrivateKey
	TLS  *certs.Certs // nil: plain TCP
}

// Client asks other hosts. Its methods may be called from many goroutines.
type Client struct {
	opt    ClientOptions
	http   *http.Client
	scheme string

	mu     sync.Mutex
	stamps map[topology.HostID]string // for the next ask
}

// connectLimit is short beside any TTL: the hosts share a network.
const connectLimit = 300 * time.Millisecond

// NewClient makes a client. Close it after use.
func NewClient(opt ClientOptions) *Client {
	c := &Client{opt: opt, scheme: "http", stamps: map[topology.HostID]string{}}
	if opt.TLS != nil {
		c.scheme = "https"
	}
	dialer := &net.Dialer{Timeout: connectLimit}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: dialer.DialContext, DialTLSContext: dialTLS(dialer, opt.TLS),
			MaxConnsPerHost: 4, MaxIdleConnsPerHost: 2, IdleConnTimeout: idleLimit / 2, // before the server hangs up
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c
}

// dialTLS takes the certificates as they are on disk when a connection begins.
func dialTLS(dialer *net.Dialer, by *certs.Certs) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		return (&tls.Dialer{NetDialer: dialer, Config: by.Client()}).DialContext(ctx, network, address)
	}
}

// Close ends the connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ask asks a host for its promise. No refusal and no error: it has promised, for
// Question.TTL from some moment after Ask was called. The error wraps ErrNoAnswer
// or ErrForged; then nothing was promised, or nobody will ever know.
func (c *Client) Ask(ctx context.Context, to Host, q Question) (refusal string, err error) {
	for range 2 { // the second time with a fresh stamp
		stamp, err := c.stampOf(ctx, to)
		if err != nil {
			return "", fmt.Errorf("ask %s: %w", to.Address, err)
		}
		a, err := c.ask(ctx, to, q, stamp)
		if err != nil {
			return "", fmt.Errorf("ask %s: %w", to.Address, err)
		}
		c.keep(to.ID, a.Stamp)
		switch {
		case a.Promised:
			return "", nil
		case !a.Stale:
			return a.Why, nil
		}
	}
	return "it takes none of its own stamps", nil
}

// ask sends one question and takes nothing but the answer to it.
func (c *Client) ask(ctx context.Context, to Host, q Question, stamp string) (answer, error) {
	sent := ask{Version: version, Cluster: q.Cluster, From: c.opt.Self, To: to.ID, Epoch: q.Epoch, TTL: q.TTL, Nonce: nonce(), Stamp: stamp}
	body, sig, err := seal(c.opt.Key, askWords, sent)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(to, "/v1/promise", nil), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set(signature, sig)
	got, sig, err := c.do(req)
	if err != nil {
		return answer{}, err
	}
	key, err := publicKey(to.Key)
	if err != nil {
		return answer{}, fmt.Errorf("key of %s: %w: %w", to.ID, ErrForged, err)
	}
	var a answer
	if !genuine(key, answerWords, got, sig) {
		return answer{}, fmt.Errorf("signature of %s: %w", to.ID, ErrForged)
	}
	if err := json.Unmarshal(got, &a); err != nil || !a.to(sent) {
		return answer{}, fmt.Errorf("answer of %s: %w", to.ID, ErrForged)
	}
	return a, nil
}

// stampOf takes the stamp that the last answer brought, or asks for one.
func (c *Client) stampOf(ctx context.Context, to Host) (string, error) {
	c.mu.Lock()
	stamp := c.stamps[to.ID]
	delete(c.stamps, to.ID) // it counts once
	c.mu.Unlock()
	if stamp != "" {
		return stamp, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(to, "/v1/stamp", url.Values{"for": {string(c.opt.Self)}}), nil)
	if err != nil {
		return "", err
	}
	body, _, err := c.do(req)
	return string(body), err
}

func (c *Client) keep(id topology.HostID, stamp string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamps[id] = stamp
}

func (c *Client) url(to Host, path string, query url.Values) string {
	return (&url.URL{Scheme: c.scheme, Host: to.Address.String(), Path: path, RawQuery: query.Encode()}).String()
}

// do sends a request and reads what comes back.
func (c *Client) do(req *http.Request) (body []byte, sig string, err error) {
	resp, err := c.http.Do(req)
	if err != nil {
		var with *url.Error
		if errors.As(err, &with) { // the URL has a nonce in it, which makes every error another one
			err = with.Err
		}
		return nil, "", fmt.Errorf("%w: %w", ErrNoAnswer, c.opt.TLS.Explain(err))
	}
	defer resp.Body.Close() // it was read, or is worth nothing
	body, err = io.ReadAll(io.LimitReader(resp.Body, mostBytes))
	switch {
	case err != nil:
		return nil, "", fmt.Errorf("%w: %w", ErrNoAnswer, err)
	case resp.StatusCode != http.StatusOK:
		return nil, "", fmt.Errorf("%w: %w", ErrNoAnswer, c.opt.TLS.Explain(fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(body))))
	}
	return body, resp.Header.Get(signature), nil
}
