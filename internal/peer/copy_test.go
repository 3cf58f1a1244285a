package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// giver is a stage whose server gives a copy of some bytes.
func giver(t *testing.T, give Donor) *stage {
	t.Helper()
	return newStage(t, func(o *ServerOptions) { o.Donate = give })
}

func someBytes(n int) []byte {
	out := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(out)
	return out
}

func gives(data []byte) Donor {
	return func(_ context.Context, to topology.HostID, out *Outlet) ([]byte, error) {
		if err := out.Expect(int64(len(data))); err != nil {
			return nil, err
		}
		_, err := out.Write(data)
		return []byte("for " + string(to)), err
	}
}

func (s *stage) copy(c *Client) (data []byte, trailer string, told [2]int64, err error) {
	s.t.Helper()
	var got bytes.Buffer
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	end, err := c.Copy(ctx, s.server, "c-1", &got, func(n, total int64) { told = [2]int64{n, total} })
	return got.Bytes(), string(end), told, err
}

func TestCopyComesWholeWithItsTrailer(t *testing.T) {
	want := someBytes(3*pieceBytes + 17)
	s := giver(t, gives(want))
	for range 2 {
		data, trailer, told, err := s.copy(s.client)
		if err != nil || !bytes.Equal(data, want) || trailer != "for id-a" || told != [2]int64{int64(len(want)), int64(len(want))} {
			t.Fatalf("%d bytes, %q, told %v, %v", len(data), trailer, told, err)
		}
	}
}

// Longer than any limit on a request: as long as something comes, it goes on.
func TestCopyMayTakeLongerThanAnyOtherAnswer(t *testing.T) {
	s := giver(t, func(_ context.Context, _ topology.HostID, out *Outlet) ([]byte, error) {
		for range 4 {
			<-time.After(writeLimit / 2)
			if _, err := out.Write([]byte("x")); err != nil {
				return nil, err
			}
		}
		return nil, nil
	})
	if data, _, _, err := s.copy(s.client); err != nil || string(data) != "xxxx" {
		t.Errorf("%q, %v", data, err)
	}
}

func TestDonorsCauseIsHeard(t *testing.T) {
	s := giver(t, func(context.Context, topology.HostID, *Outlet) ([]byte, error) {
		return nil, errors.New("it is the writer")
	})
	if _, _, _, err := s.copy(s.client); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "it is the writer") {
		t.Errorf("%v", err)
	}
}

func TestOneCopyAtATime(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	s := giver(t, func(context.Context, topology.HostID, *Outlet) ([]byte, error) {
		close(begun)
		<-end
		return nil, nil
	})
	first := make(chan error, 1)
	go func() {
		_, err := s.client.Copy(t.Context(), s.server, "c-1", io.Discard, func(int64, int64) {})
		first <- err
	}()
	<-begun
	if _, _, _, err := s.copy(s.as(third)); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "another host") {
		t.Errorf("%v", err)
	}
	close(end)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

// The receiver is gone: the donor stops.
func TestDonorHearsThatNobodyTakesTheCopy(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan error, 1)
	s := giver(t, func(ctx context.Context, _ topology.HostID, _ *Outlet) ([]byte, error) {
		close(begun)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-begun; cancel() }()
	if _, err := s.client.Copy(ctx, s.server, "c-1", io.Discard, func(int64, int64) {}); err == nil {
		t.Error("it ended well")
	}
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the donor goes on")
	}
}

// bent changes what comes of a copy on its way.
type bent struct {
	next http.RoundTripper
	bend func([]byte) []byte
}

func (b *bent) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.next.RoundTrip(r)
	if err != nil || r.URL.Path != "/v1/copy" {
		return resp, err
	}
	all, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b.bend(all)))
	return resp, err
}

// Whatever somebody on the way does to a copy, nothing of it that is not the
// donor's reaches whoever unpacks it, and it never counts as whole.
func TestChangedCopyIsForged(t *testing.T) {
	const head = 5 + signedBytes
	want := someBytes(2*pieceBytes + 5)
	first := head + len(`{"total":2097157}`) // where the pieces of data begin
	whole := head + pieceBytes
	for name, bend := range map[string]func([]byte) []byte{
		"a changed byte":   func(b []byte) []byte { b[first+head+77]++; return b },
		"a changed kind":   func(b []byte) []byte { b[first] = pieceAlive; return b },
		"a piece left out": func(b []byte) []byte { return append(b[:first:first], b[first+whole:]...) },
		"a piece twice":    func(b []byte) []byte { return append(b[:first+whole:first+whole], b[first:]...) },
		"pieces the other way": func(b []byte) []byte {
			return bytes.Join([][]byte{b[:first], b[first+whole : first+2*whole], b[first : first+whole], b[first+2*whole:]}, nil)
		},
		"cut off":           func(b []byte) []byte { return b[:len(b)-head-len("for id-a")] },
		"a piece too large": func(b []byte) []byte { b[first+1] = 0xff; return b },
	} {
		t.Run(name, func(t *testing.T) {
			s := giver(t, gives(want))
			c := s.as(asker)
			c.http.Transport = &bent{c.http.Transport, bend}
			data, trailer, _, err := s.copy(c)
			if !errors.Is(err, ErrForged) && !errors.Is(err, ErrNoAnswer) || trailer != "" {
				t.Errorf("%v, %q", err, trailer)
			}
			if !bytes.HasPrefix(want, data) {
				t.Errorf("%d bytes came through that are not the donor's", len(data))
			}
		})
	}
}

// A copy of an earlier ask, played again, is none of this one.
func TestCopyOfAnotherAskIsForged(t *testing.T) {
	var recorded []byte
	s := giver(t, gives([]byte("data")))
	c := s.as(asker)
	c.http.Transport = &bent{c.http.Transport, func(b []byte) []byte {
		if recorded == nil {
			recorded = b
		}
		return recorded
	}}
	if _, _, _, err := s.copy(c); err != nil {
		t.Fatal(err)
	}
	if data, _, _, err := s.copy(c); !errors.Is(err, ErrForged) || len(data) > 0 {
		t.Errorf("%q, %v", data, err)
	}
}

func TestForgedAsksGetNoCopy(t *testing.T) {
	for name, forge := range map[string]func(s *stage, body []byte) ([]byte, string){
		"unsigned":               func(_ *stage, body []byte) ([]byte, string) { return body, "" },
		"signed by another host": func(s *stage, body []byte) ([]byte, string) { return body, signed(s.keys[third], copyWords, body) },
		"signed as a question":   func(s *stage, body []byte) ([]byte, string) { return body, signed(s.keys[asker], askWords, body) },
		"for another host": func(s *stage, body []byte) ([]byte, string) {
			body = bytes.Replace(body, []byte(other), []byte(third), 1)
			return body, signed(s.keys[asker], copyWords, body)
		},
		"without a stamp": func(s *stage, body []byte) ([]byte, string) {
			body = bytes.Replace(body, []byte(`"stamp":"`), []byte(`"stamp":"x`), 1)
			return body, signed(s.keys[asker], copyWords, body)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var given atomic.Int64
			s := giver(t, func(context.Context, topology.HostID, *Outlet) ([]byte, error) { given.Add(1); return nil, nil })
			s.wire.onAsk = func(r *http.Request, body []byte) []byte {
				body, sig := forge(s, body)
				r.Header.Set(signature, sig)
				return body
			}
			if _, _, _, err := s.copy(s.client); !errors.Is(err, ErrNoAnswer) || given.Load() > 0 {
				t.Errorf("%v, %d given", err, given.Load())
			}
		})
	}
}

// A recorded ask gets nothing when it is played again.
func TestAskForACopyCountsOnce(t *testing.T) {
	s := giver(t, gives([]byte("data")))
	if _, _, _, err := s.copy(s.client); err != nil {
		t.Fatal(err)
	}
	if status, _ := s.replay(s.wire.asks[0]); status != http.StatusForbidden {
		t.Errorf("answered with %d", status)
	}
}
