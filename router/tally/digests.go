package tally

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// shards keeps sessions on different cores from waiting for each other.
const shards = 32

// longestDigest bounds the text of one kind of statements: a list of a thousand
// values is of no use to a reader.
const longestDigest = 1024

// Digests counts statements by kind, in a table of bounded size. When it is full,
// the kind that was seen longest ago makes room and is counted among the others.
type Digests struct {
	perShard int
	shard    [shards]digestShard
}

type digestShard struct {
	mu     sync.Mutex
	kinds  map[uint64]*Digest
	others Digest
}

// Digest is one kind of statements.
type Digest struct {
	Hash     uint64        `json:"hash,string"` // 0: all those that had no room
	Text     string        `json:"text"`
	Count    uint64        `json:"count"`
	Errors   uint64        `json:"errors"`
	ToReader uint64        `json:"toReader"` // how many a reader answered
	Sum      time.Duration `json:"sumNanoseconds"`
	Max      time.Duration `json:"maxNanoseconds"`
	First    time.Time     `json:"first"`
	Last     time.Time     `json:"last"`
}

// NewDigests has room for about so many kinds.
func NewDigests(kinds int) *Digests {
	d := &Digests{perShard: max(1, (kinds+shards-1)/shards)}
	for i := range d.shard {
		d.shard[i].kinds = map[uint64]*Digest{}
	}
	return d
}

// seen counts a statement of a kind that is known, and reports whether it is.
func (d *Digests) seen(s *Statement) bool {
	shard := &d.shard[s.Digest%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	kind := shard.kinds[s.Digest]
	if kind != nil {
		kind.add(s, s.ended())
	}
	return kind != nil
}

// learn adds a kind with its first statement.
func (d *Digests) learn(s *Statement, text string) {
	if len(text) > longestDigest {
		text = text[:longestDigest] + "…"
	}
	now := s.ended()
	shard := &d.shard[s.Digest%shards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	kind := shard.kinds[s.Digest] // another session may have been first
	if kind == nil {
		if len(shard.kinds) >= d.perShard {
			shard.makeRoom()
		}
		kind = &Digest{Hash: s.Digest, Text: text, First: now}
		shard.kinds[s.Digest] = kind
	}
	kind.add(s, now)
}

func (d *Digest) add(s *Statement, now time.Time) {
	d.Count++
	if s.Code != 0 {
		d.Errors++
	}
	if s.Target == Reader {
		d.ToReader++
	}
	d.Sum += s.Took
	d.Max = max(d.Max, s.Took)
	d.Last = now
}

// makeRoom moves the kind that was seen longest ago to the others.
func (s *digestShard) makeRoom() {
	var oldest *Digest
	for _, kind := range s.kinds {
		if oldest == nil || kind.Last.Before(oldest.Last) {
			oldest = kind
		}
	}
	delete(s.kinds, oldest.Hash)
	s.others.merge(*oldest)
}

func (d *Digest) merge(o Digest) {
	if o.Count == 0 {
		return
	}
	d.Count += o.Count
	d.Errors += o.Errors
	d.ToReader += o.ToReader
	d.Sum += o.Sum
	d.Max = max(d.Max, o.Max)
	if d.First.IsZero() || o.First.Before(d.First) {
		d.First = o.First
	}
	if o.Last.After(d.Last) {
		d.Last = o.Last
	}
}

// All lists the kinds, the one that took most time in all first; last, with hash 0,
// those that had no room, if there are any.
func (d *Digests) All() []Digest {
	var all []Digest
	others := Digest{Text: "(others)"}
	for i := range d.shard {
		shard := &d.shard[i]
		shard.mu.Lock()
		for _, kind := range shard.kinds {
			all = append(all, *kind)
		}
		others.merge(shard.others)
		shard.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b Digest) int { return cmp.Or(cmp.Compare(b.Sum, a.Sum), cmp.Compare(a.Hash, b.Hash)) })
	if others.Count > 0 {
		all = append(all, others)
	}
	return all
}
