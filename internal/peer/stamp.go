package peer

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// stamps are the proof that an ask was made lately and is heard for the first
// time. A stamp is the clock of the asked host, sealed for one asker with a
// secret that lives as long as the process: nothing has to be remembered of those
// that are given out, only the newest one that each asker has used.
type stamps struct {
	secret [32]byte
	now    func() time.Duration

	mu   sync.Mutex
	last time.Duration                     // given out; two are never equal
	used map[topology.HostID]time.Duration // bounded: only askers whose signature was good get in
}

const stampBytes = 8 + sha256.Size

func newStamps(now func() time.Duration) *stamps {
	s := &stamps{now: now, used: map[topology.HostID]time.Duration{}}
	_, _ = rand.Read(s.secret[:]) // it never fails
	return s
}

// give makes a stamp for an asker.
func (s *stamps) give(asker topology.HostID) string {
	s.mu.Lock()
	s.last = max(s.last+1, s.now())
	at := s.last
	s.mu.Unlock()
	return base64.StdEncoding.EncodeToString(s.sealed(asker, at))
}

func (s *stamps) sealed(asker topology.HostID, at time.Duration) []byte {
	out := binary.BigEndian.AppendUint64(nil, uint64(at))
	mac := hmac.New(sha256.New, s.secret[:])
	_, _ = mac.Write(out) // a hash takes everything
	_, _ = mac.Write([]byte(asker))
	return mac.Sum(out)
}

// use takes a stamp of an asker whose signature was good. It is false when the
// stamp is not of this process for that asker, is older than life, or is not
// newer than the last one that was used.
func (s *stamps) use(asker topology.HostID, stamp string, life time.Duration) bool {
	raw, err := base64.StdEncoding.DecodeString(stamp)
	if err != nil || len(raw) != stampBytes {
		return false
	}
	at := time.Duration(binary.BigEndian.Uint64(raw[:8]))
	if !hmac.Equal(raw, s.sealed(asker, at)) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now()-at > life || at <= s.used[asker] {
		return false
	}
	s.used[asker] = at
	return true
}
