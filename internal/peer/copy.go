package peer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// A copy of a host's data comes as pieces, each signed: nobody on the way can
// change, leave out, add or repeat one, and nothing that was changed ever reaches
// whoever unpacks it. What comes is not hidden: as with replication, that takes TLS.
//
//	kind (1 byte), length (4 bytes), signature (64 bytes), then the piece
const (
	pieceHead  = 'h' // first: how much it will be, as JSON
	pieceData  = 'd'
	pieceAlive = 'a' // nothing has come for a while, and the donor lives
	pieceEnd   = 'e' // last: it is whole; what the donor says of it
	pieceFail  = 'f' // last: it is not; the cause

	pieceBytes  = 1 << 20
	signedBytes = 64
	aliveEvery  = 2 * time.Second
	copySilence = 20 * time.Second // longer without any piece: the donor is gone
	copyWrite   = 2 * time.Minute  // longer for one piece: the receiver is gone, or its disk is
	copyLife    = 5 * time.Second  // of an ask for a copy
	copyWords   = "mmm copy\n"
	pieceWords  = "mmm piece\n"
)

// ErrRefused says that the other host gives no copy, or could not go on; the text
// is what it said.
var ErrRefused = errors.New("it gives no copy")

// copyAsk is the body of an ask for a copy.
type copyAsk struct {
	Version int             `json:"v"`
	Cluster string          `json:"cluster"`
	From    topology.HostID `json:"from"` // who asks
	To      topology.HostID `json:"to"`
	Nonce   string          `json:"nonce"`
	Stamp   string          `json:"stamp"`
}

type copyHead struct {
	Total int64 `json:"total"`
}

// Donor gives a copy of this host's data. It writes to out, after it has told
// out.Expect how much it will be, and returns what the receiver must know of it.
// ctx ends when the receiver is gone.
type Donor func(ctx context.Context, to topology.HostID, out *Outlet) (trailer []byte, err error)

// Outlet is the way to a receiver.
type Outlet struct {
	nonce  string
	server *Server
	w      http.ResponseWriter
	rc     *http.ResponseController

	mu   sync.Mutex
	seq  uint64
	last time.Time
}

// Expect says how many bytes will come, about. It is called once, first.
func (o *Outlet) Expect(total int64) error {
	text, err := json.Marshal(copyHead{total})
	if err != nil {
		return err
	}
	return o.send(pieceHead, text)
}

// Write sends what it is given.
func (o *Outlet) Write(p []byte) (int, error) {
	n := 0
	for len(p) > 0 {
		piece := p[:min(len(p), pieceBytes)]
		if err := o.send(pieceData, piece); err != nil {
			return n, err
		}
		p, n = p[len(piece):], n+len(piece)
	}
	return n, nil
}

func (o *Outlet) send(kind byte, piece []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	head := make([]byte, 5, 5+signedBytes)
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(piece)))
	head = append(head, signPiece(o.server, o.nonce, o.seq, kind, piece)...)
	o.seq++
	o.last = time.Now()
	if err := o.rc.SetWriteDeadline(o.last.Add(copyWrite)); err != nil {
		return err
	}
	if _, err := o.w.Write(append(head, piece...)); err != nil {
		return err
	}
	return o.rc.Flush()
}

// alive says that the donor lives whenever nothing was sent for a while, until ctx ends.
func (o *Outlet) alive(ctx context.Context) {
	timer := time.NewTicker(aliveEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		o.mu.Lock()
		quiet := time.Since(o.last) >= aliveEvery
		o.mu.Unlock()
		if quiet && o.send(pieceAlive, nil) != nil {
			return
		}
	}
}

// pieceText is what is signed of a piece: of which copy, the how manieth, and all of it.
func pieceText(nonce string, seq uint64, kind byte, piece []byte) []byte {
	sum := sha256.Sum256(piece)
	out := append([]byte(pieceWords), nonce...)
	out = binary.BigEndian.AppendUint64(append(out, '\n', kind), seq)
	return append(out, sum[:]...)
}

// copy hears an ask for a copy and lets the Donor answer it. One at a time.
func (s *Server) copy(w http.ResponseWriter, r *http.Request) {
	q, err := s.hearCopy(w, r)
	if err != nil {
		s.opt.Log.Debug("another host's ask for a copy is not heard", "from", r.RemoteAddr, "err", err)
		http.Error(w, "not heard", http.StatusForbidden)
		return
	}
	out := &Outlet{nonce: q.Nonce, server: s, w: w, rc: http.NewResponseController(w)}
	if err := out.rc.SetReadDeadline(time.Time{}); err != nil { // that of the request would end it
		http.Error(w, "not heard", http.StatusInternalServerError)
		return
	}
	select {
	case s.copying <- struct{}{}:
		defer func() { <-s.copying }()
	default:
		_ = out.send(pieceFail, []byte("it gives a copy to another host just now"))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	var beat sync.WaitGroup
	beat.Go(func() { out.alive(ctx) })
	trailer, err := s.opt.Donate(ctx, q.From, out)
	cancel()
	beat.Wait()
	if err != nil {
		_ = out.send(pieceFail, []byte(err.Error())) // who does not get it hears the end of the connection
		return
	}
	_ = out.send(pieceEnd, trailer)
}

func (s *Server) hearCopy(w http.ResponseWriter, r *http.Request) (copyAsk, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostBytes))
	if err != nil {
		return copyAsk{}, err
	}
	var q copyAsk
	if err := json.Unmarshal(body, &q); err != nil {
		return copyAsk{}, err
	}
	key, err := publicKey(s.opt.KeyOf(q.From))
	switch {
	case err != nil:
		return copyAsk{}, fmt.Errorf("host %s has no key here: %w", q.From, ErrForged)
	case !genuine(key, copyWords, body, r.Header.Get(signature)):
		return copyAsk{}, fmt.Errorf("signature: %w", ErrForged)
	case q.Version != version || q.To != s.opt.Self || s.opt.Donate == nil:
		return copyAsk{}, fmt.Errorf("it is for %s: %w", q.To, ErrForged)
	case !s.stamps.use(q.From, q.Stamp, copyLife):
		return copyAsk{}, errors.New("its stamp is too old or was used before")
	}
	return q, nil
}

// Copy asks a host for a copy of its data and writes it to w. It returns what the
// donor says of it only when all of it has come, unchanged. told hears how many
// bytes have come, and about how many will. The error wraps ErrRefused with the
// donor's words, ErrForged, or ErrNoAnswer: then what was written is worth nothing.
func (c *Client) Copy(ctx context.Context, from Host, cluster string, w io.Writer, told func(bytes, total int64)) (trailer []byte, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("copy %s: %w", from.Address, err)
		}
	}()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(copySilence, func() { cancel(fmt.Errorf("%w: nothing has come for %s", ErrNoAnswer, copySilence)) })
	defer silence.Stop()
	body, nonce, err := c.askCopy(ctx, from, cluster)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	in := &inlet{from: body, host: from, nonce: nonce, heard: silence.Stop, waits: func() { silence.Reset(copySilence) }}
	trailer, err = in.run(w, told)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return nil, cause
	}
	return trailer, err
}

// askCopy sends the ask; the caller closes the body.
func (c *Client) askCopy(ctx context.Context, from Host, cluster string) (io.ReadCloser, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url(from, "/v1/stamp", url.Values{"for": {string(c.opt.Self)}}), nil)
	if err != nil {
		return nil, "", err
	}
	stamp, _, err := c.do(req)
	if err != nil {
		return nil, "", err
	}
	q := copyAsk{Version: version, Cluster: cluster, From: c.opt.Self, To: from.ID, Nonce: nonce(), Stamp: string(stamp)}
	body, sig, err := seal(c.opt.Key, copyWords, q)
	if err != nil {
		return nil, "", err
	}
	post, err := c.post(ctx, from, body, sig)
	if err != nil {
		return nil, "", err
	}
	return post, q.Nonce, nil
}
