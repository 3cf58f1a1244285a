package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/topology"
)

// RouterConfig says how to reach the mmmrouter that a router's agent stands beside.
type RouterConfig struct {
	// Admin is the `admin` of the mmmrouter's own file; empty: it is not asked.
	Admin string `yaml:"admin"`
}

// routerAdmin is where mmmrouter has its pages unless its file says otherwise.
const routerAdmin = "127.0.0.1:9990"

func (c RouterConfig) check(m conffile.Mistakes) {
	if _, err := netip.ParseAddrPort(c.Admin); err != nil && c.Admin != "" {
		m.Add("admin", "is %q: write what `admin` is in the file of mmmrouter, such as %s", c.Admin, routerAdmin)
	}
}

// How often mmmrouter is asked what it says of itself, and how long it may take.
const (
	sayPeriod = time.Second
	saySoon   = 200 * time.Millisecond // after it did not answer: it may have just been started
	sayLimit  = 500 * time.Millisecond
	sayMost   = 1 << 20 // bytes
)

// statusPage is what is read of mmmrouter's page /status.
type statusPage struct {
	Version string `json:"version"`
	Ready   bool   `json:"ready"`
	Why     string `json:"why"`
	View    struct {
		Epoch  topology.Rev `json:"epoch"`
		Writer string       `json:"writer"`
		Fresh  bool         `json:"fresh"`
	} `json:"view"`
	Sessions struct {
		LoggedIn int `json:"loggedIn"`
		Limit    int `json:"limit"`
	} `json:"sessions"`
}

// sayings is the last word of an mmmrouter, for operators. Nothing waits for it.
type sayings struct {
	admin string
	last  atomic.Pointer[topology.RouterWord]
}

// run asks until ctx ends.
func (s *sayings) run(ctx context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for {
		rest := sayPeriod
		word, err := s.ask(ctx, client)
		if err != nil {
			rest = saySoon
			word = topology.RouterWord{Unknown: fmt.Sprintf("its pages at %s cannot be read: %s", s.admin, plainCause(err))}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		s.last.Store(&word)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(rest):
		}
	}
}

// ask reads the page /status. The error says why it could not.
func (s *sayings) ask(ctx context.Context, client *http.Client) (topology.RouterWord, error) {
	ctx, cancel := context.WithTimeout(ctx, sayLimit)
	defer cancel()
	page := url.URL{Scheme: "http", Host: s.admin, Path: "/status"}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, page.String(), nil)
	if err != nil {
		return topology.RouterWord{}, err
	}
	res, err := client.Do(req)
	if err != nil {
		return topology.RouterWord{}, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return topology.RouterWord{}, errors.New(res.Status)
	}
	var says statusPage
	if err := json.NewDecoder(io.LimitReader(res.Body, sayMost)).Decode(&says); err != nil {
		return topology.RouterWord{}, errors.New("what answers there is not mmmrouter")
	}
	return topology.RouterWord{Version: says.Version, Ready: says.Ready, Why: says.Why, Epoch: says.View.Epoch, Writer: says.View.Writer,
		Fresh: says.View.Fresh, Sessions: says.Sessions.LoggedIn, Limit: says.Sessions.Limit}, nil
}
