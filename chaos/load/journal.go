package load

import (
	"encoding/json"
	"fmt"
	"io"
	"sort"
	"sync"
	"time"
)

// Outcome is how an attempt ended. The zero value is invalid.
type Outcome int

// The outcomes.
const (
	Acked   Outcome = iota + 1 // the server said OK
	Unknown                    // no answer; the row may or may not exist
	Refused                    // the row does not exist: nothing was sent, or the server said no
	Stale                      // of a read: it did not see what this client had been told was written
)

// String is the word that stands in the JSON lines.
func (o Outcome) String() string {
	switch o {
	case Acked:
		return "ok"
	case Unknown:
		return "unknown"
	case Refused:
		return "refused"
	case Stale:
		return "stale"
	default:
		return fmt.Sprintf("invalid outcome %d", int(o))
	}
}

// Attempt is one try to insert the row (client, Seq).
type Attempt struct {
	Seq        uint64
	Start, End time.Time // with monotonic reading
	Outcome    Outcome
	Why        string // the error, when not Acked
}

// Journal is what one client knows of its own writes. It may be read while Run
// appends to it.
type Journal struct {
	client string
	began  time.Time
	lines  io.Writer // nil: memory only

	mu       sync.Mutex
	attempts []Attempt // in order of Seq and of time
	counts   map[Outcome]int
}

// NewJournal makes an empty journal of a client. The name must be of small
// letters, digits and dashes and unlike that of any other client of the table.
// When lines is not nil, each attempt is written to it as a line of JSON:
// client, seq, outcome, why, start (wall clock), start_ns and end_ns (monotonic,
// from the making of the journal).
func NewJournal(client string, lines io.Writer) (*Journal, error) {
	if !validName(client) {
		return nil, fmt.Errorf("name client %q: use 1 to 32 small letters, digits and dashes", client)
	}
	return &Journal{client: client, began: time.Now(), lines: lines, counts: make(map[Outcome]int)}, nil
}

func validName(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 32
}

// Client is the name given to NewJournal.
func (j *Journal) Client() string { return j.client }

// Count is how many attempts ended in an outcome so far.
func (j *Journal) Count(o Outcome) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[o]
}

// Attempts is a copy of all attempts so far.
func (j *Journal) Attempts() []Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Attempt(nil), j.attempts...)
}

// add appends an attempt, and writes its line.
func (j *Journal) add(a Attempt) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.attempts = append(j.attempts, a)
	j.counts[a.Outcome]++
	if j.lines == nil {
		return nil
	}
	err := json.NewEncoder(j.lines).Encode(struct {
		Client  string    `json:"client"`
		Seq     uint64    `json:"seq"`
		Outcome string    `json:"outcome"`
		Why     string    `json:"why,omitempty"`
		Start   time.Time `json:"start"`
		StartNS int64     `json:"start_ns"`
		EndNS   int64     `json:"end_ns"`
	}{j.client, a.Seq, a.Outcome.String(), a.Why, a.Start, a.Start.Sub(j.began).Nanoseconds(), a.End.Sub(j.began).Nanoseconds()})
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	return nil
}

// nextSeq is the first identity that was never used.
func (j *Journal) nextSeq() uint64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.attempts) == 0 {
		return 1
	}
	return j.attempts[len(j.attempts)-1].Seq + 1
}

// Gap is a time without acknowledgement, from one to the next.
type Gap struct {
	From, To time.Time
	// Open says that no acknowledgement ended the gap: To is the end of the window.
	Open bool
}

// Length is how long the gap lasted.
func (g Gap) Length() time.Duration { return g.To.Sub(g.From) }

// LongestGap is the longest time between two acknowledgements that follow each
// other and of which at least a part lies in the window. It is not clipped: its
// From may be before the window and its To after it. Where there is no
// acknowledgement before (or after), the window's own edge takes its place.
func (j *Journal) LongestGap(from, to time.Time) Gap {
	acks := j.acks()
	// The last acknowledgement at or before the window, and all up to the first after it.
	i := sort.Search(len(acks), func(i int) bool { return acks[i].End.After(from) })
	last := from
	if i > 0 {
		last = acks[i-1].End
	}
	var longest Gap
	for ; i < len(acks) && last.Before(to); i++ {
		if g := (Gap{From: last, To: acks[i].End}); g.Length() > longest.Length() {
			longest = g
		}
		last = acks[i].End
	}
	if last.Before(to) {
		if g := (Gap{From: last, To: to, Open: true}); g.Length() > longest.Length() {
			longest = g
		}
	}
	return longest
}

// LongestWait is the longest time from the first try of something until it, or a later
// try, was acknowledged, of all that were under way in a window: how long a client had
// to wait that tried again until it went well.
func (j *Journal) LongestWait(from, to time.Time) (longest time.Duration) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var since time.Time
	for _, a := range j.attempts {
		if since.IsZero() {
			since = a.Start
		}
		if a.Outcome != Acked {
			continue
		}
		if a.End.After(from) && since.Before(to) {
			longest = max(longest, a.End.Sub(since))
		}
		since = time.Time{}
	}
	return longest
}

// FirstAckAfter is the first acknowledged attempt that began at t or later.
func (j *Journal) FirstAckAfter(t time.Time) (Attempt, bool) {
	for _, a := range j.acks() {
		if !a.Start.Before(t) {
			return a, true
		}
	}
	return Attempt{}, false
}

// acks are the acknowledged attempts in order.
func (j *Journal) acks() []Attempt {
	j.mu.Lock()
	defer j.mu.Unlock()
	var acks []Attempt
	for _, a := range j.attempts {
		if a.Outcome == Acked {
			acks = append(acks, a)
		}
	}
	return acks
}
