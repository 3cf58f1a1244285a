package peer

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// inlet takes the pieces of a copy, each only if its signature is good.
type inlet struct {
	from  io.Reader
	host  Host
	nonce string
	heard func() bool // a piece is here; until waits is called the donor owes nothing
	waits func()
	seq   uint64
}

func (in *inlet) run(w io.Writer, told func(bytes, total int64)) (trailer []byte, err error) {
	key, err := publicKey(in.host.Key)
	if err != nil {
		return nil, fmt.Errorf("key of %s: %w: %w", in.host.ID, ErrForged, err)
	}
	var head copyHead
	var n int64
	for {
		in.waits()
		kind, piece, err := in.next(key)
		if err != nil {
			return nil, err
		}
		in.heard()
		switch kind {
		case pieceHead:
			if err := json.Unmarshal(piece, &head); err != nil {
				return nil, fmt.Errorf("head of the copy: %w", ErrForged)
			}
			told(0, head.Total)
		case pieceData:
			if _, err := w.Write(piece); err != nil {
				return nil, fmt.Errorf("take the copy: %w", err)
			}
			n += int64(len(piece))
			told(n, head.Total)
		case pieceAlive:
		case pieceEnd:
			return piece, nil
		case pieceFail:
			return nil, fmt.Errorf("%w: %s", ErrRefused, piece)
		default:
			return nil, fmt.Errorf("piece of kind %q: %w", kind, ErrForged)
		}
	}
}

// next reads one piece and proves that the donor made it for this copy, and in
// this place.
func (in *inlet) next(key ed25519.PublicKey) (kind byte, piece []byte, err error) {
	head := make([]byte, 5+signedBytes)
	if _, err := io.ReadFull(in.from, head); err != nil {
		return 0, nil, fmt.Errorf("%w: the copy ended amid: %w", ErrNoAnswer, err)
	}
	size := binary.BigEndian.Uint32(head[1:5])
	if size > pieceBytes {
		return 0, nil, fmt.Errorf("a piece of %d bytes: %w", size, ErrForged)
	}
	piece = make([]byte, size)
	if _, err := io.ReadFull(in.from, piece); err != nil {
		return 0, nil, fmt.Errorf("%w: the copy ended amid: %w", ErrNoAnswer, err)
	}
	if !ed25519.Verify(key, pieceText(in.nonce, in.seq, head[0], piece), head[5:]) {
		return 0, nil, fmt.Errorf("signature of piece %d: %w", in.seq, ErrForged)
	}
	in.seq++
	return head[0], piece, nil
}

func signPiece(s *Server, nonce string, seq uint64, kind byte, piece []byte) []byte {
	return ed25519.Sign(s.opt.Key, pieceText(nonce, seq, kind, piece))
}

// post sends an ask for a copy, whose answer does not end for long.
func (c *Client) post(ctx context.Context, to Host, body []byte, sig string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url(to, "/v1/copy", nil), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set(signature, sig)
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAnswer, c.opt.TLS.Explain(err))
	}
	if resp.StatusCode != http.StatusOK {
		_ = resp.Body.Close()
		return nil, fmt.Errorf("%w: %s", ErrNoAnswer, resp.Status)
	}
	return resp.Body, nil
}
