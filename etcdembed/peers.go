package etcdembed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"

	"github.com/mmm-ha/mmm/internal/certs"
)

const (
	// peerLimit bounds one question to one member.
	peerLimit = time.Second
	// peerAnswerMax bounds the size of its answer; a member takes < 1 KB.
	peerAnswerMax = 1 << 20
)

// peer is another member as the configuration or the cluster names it.
type peer struct{ Name, URL string }

// peerAnswer is what one of them said at its peer port: the port answers from
// the first moment on, long before a quorum makes the client port usable.
type peerAnswer struct {
	peer
	ClusterID string
	Members   []peerMember
	Err       error // nil if it answered
}

// peerMember is one row of the member list at the peer port.
type peerMember struct {
	Name       string   `json:"name"`
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	IsLearner  bool     `json:"isLearner"`
}

// member returns the row that has the peer URL.
func (a peerAnswer) member(peerURL string) (peerMember, bool) {
	for _, m := range a.Members {
		if slices.ContainsFunc(m.PeerURLs, func(u string) bool { return tidyURL(u) == peerURL }) {
			return m, true
		}
	}
	return peerMember{}, false
}

// started reports whether the member has ever taken part in the cluster.
func (m peerMember) started() bool { return m.Name != "" && len(m.ClientURLs) > 0 }

// peerClient returns the HTTP client for the peer ports. The caller closes its
// idle connections.
func peerClient(files TLSFiles) (*http.Client, error) {
	by, err := files.open("peerTLS")
	if err != nil {
		return nil, err
	}
	return &http.Client{Transport: &explainer{by}, Timeout: peerLimit}, nil
}

// explainer makes one connection for each question, with the certificates as they
// are on disk, and explains what they have to do with an error.
type explainer struct{ by *certs.Certs }

// RoundTrip asks one question.
func (e *explainer) RoundTrip(r *http.Request) (*http.Response, error) {
	trip := &http.Transport{DisableKeepAlives: true, TLSClientConfig: e.by.Client()}
	resp, err := trip.RoundTrip(r)
	return resp, e.by.Explain(err)
}

// askPeers asks all at once and returns their answers in the order of peers.
func askPeers(ctx context.Context, client *http.Client, peers []peer) []peerAnswer {
	answers := make([]peerAnswer, len(peers))
	var wg sync.WaitGroup
	for i, p := range peers {
		wg.Go(func() { answers[i] = askPeer(ctx, client, p) })
	}
	wg.Wait()
	return answers
}

func askPeer(ctx context.Context, client *http.Client, p peer) peerAnswer {
	answer := peerAnswer{peer: p}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/members", nil)
	if err != nil {
		answer.Err = err
		return answer
	}
	resp, err := client.Do(req)
	if err != nil {
		answer.Err = err
		return answer
	}
	defer func() { _ = resp.Body.Close() }()
	answer.ClusterID = resp.Header.Get("X-Etcd-Cluster-ID")
	if resp.StatusCode != http.StatusOK || answer.ClusterID == "" {
		answer.Err = fmt.Errorf("answers, but not as an etcd member (%s)", resp.Status)
		return answer
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, peerAnswerMax)).Decode(&answer.Members)
	if err != nil {
		answer.Err = fmt.Errorf("answers, but not as an etcd member: %w", err)
	}
	return answer
}

// silence describes why a member did not answer, in a few words.
func silence(err error) string {
	var timeout net.Error
	var explained *certs.Explained
	switch {
	case errors.As(err, &explained):
		return explained.Text
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "no route"
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Sprintf("no answer within %v", peerLimit)
	default:
		return strings.TrimSpace(err.Error())
	}
}

// open reads the files; field is the name that the configuration file uses.
func (f TLSFiles) open(field string) (*certs.Certs, error) {
	if f == (TLSFiles{}) {
		return nil, nil //nolint:nilnil // the way of certs to say plain TCP
	}
	name := func(key string) string { return "`" + field + "." + key + "`" }
	return certs.Open(certs.Files{CA: f.CA, Cert: f.Cert, Key: f.Key, Names: certs.Names{CA: name("ca"), Cert: name("cert"), Key: name("key")}})
}

// tlsInfo asks for a certificate in both directions: with TLS on, nobody
// reaches a member without one that the CA has signed.
func tlsInfo(files TLSFiles) transport.TLSInfo {
	return transport.TLSInfo{
		CertFile: files.Cert, KeyFile: files.Key, TrustedCAFile: files.CA,
		ClientCertAuth: files.CA != "",
	}
}
