package peer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// A router that lost etcd asks the writer whether it still reigns (R57). It asks
// for words, not for a promise: nothing is bound by the answer, so the question is
// not signed and needs no stamp. The answer is signed, for the nonce of the question.

const (
	reignWords = "mmm reign\n"
	reignPath  = "/v1/reign"
	mostReigns = 8 // questions in work; they take no place from those for promises
)

// Reigning says for how long from now this host takes writes for the reign that is
// asked for; the reason when it does not. Who asks is not known.
type Reigning func(ctx context.Context, a topology.Ask) (left time.Duration, why string)

// reign is the body of an answer. All but the last two fields repeat the question.
type reign struct {
	Version int             `json:"v"`
	Cluster string          `json:"cluster"`
	From    topology.HostID `json:"from"` // who answers
	Epoch   topology.Rev    `json:"epoch"`
	Nonce   string          `json:"nonce"`
	Left    time.Duration   `json:"left"` // nanoseconds from when it was signed; 0: it does not reign
	Why     string          `json:"why,omitempty"`
}

// Reign asks a host for how long it takes writes for the reign of an epoch, counted
// from some moment after Reign was called. No time and a reason: it does not. The
// error wraps ErrNoAnswer or ErrForged; then nothing is known.
func (c *Client) Reign(ctx context.Context, to Host, cluster string, epoch topology.Rev) (left time.Duration, why string, err error) {
	once := nonce()
	query := url.Values{"cluster": {cluster}, "to": {string(to.ID)}, "epoch": {strconv.FormatInt(int64(epoch), 10)}, "nonce": {once}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(to, reignPath, query), nil)
	if err != nil {
		return 0, "", fmt.Errorf("ask %s whether it reigns: %w", to.Address, err)
	}
	body, sig, err := c.do(req)
	if err != nil {
		return 0, "", fmt.Errorf("ask %s whether it reigns: %w", to.Address, err)
	}
	key, err := publicKey(to.Key)
	if err != nil {
		return 0, "", fmt.Errorf("key of %s: %w: %w", to.ID, ErrForged, err)
	}
	want := reign{Version: version, Cluster: cluster, From: to.ID, Epoch: epoch, Nonce: once}
	var got reign
	if !genuine(key, reignWords, body, sig) || json.Unmarshal(body, &got) != nil {
		return 0, "", fmt.Errorf("signature of %s: %w", to.ID, ErrForged)
	}
	want.Left, want.Why = got.Left, got.Why
	if got != want || got.Left < 0 {
		return 0, "", fmt.Errorf("answer of %s: %w", to.ID, ErrForged)
	}
	return got.Left, got.Why, nil
}

// reign answers whether this host reigns.
func (s *Server) reign(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	epoch, err := strconv.ParseInt(q.Get("epoch"), 10, 64)
	if err != nil || s.opt.Reigning == nil || topology.HostID(q.Get("to")) != s.opt.Self || len(q.Get("nonce")) > 2*nonceBytes {
		http.Error(w, "not heard", http.StatusForbidden)
		return
	}
	a := reign{Version: version, Cluster: q.Get("cluster"), From: s.opt.Self, Epoch: topology.Rev(epoch), Nonce: q.Get("nonce")}
	a.Left, a.Why = s.opt.Reigning(r.Context(), topology.Ask{Cluster: a.Cluster, Epoch: a.Epoch})
	body, sig, err := seal(s.opt.Key, reignWords, a)
	if err != nil {
		http.Error(w, "no answer", http.StatusInternalServerError)
		return
	}
	w.Header().Set(signature, sig)
	_, _ = w.Write(body) // who does not get it asks again
}
