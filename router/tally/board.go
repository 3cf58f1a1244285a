package tally

import "time"

// Statement is one that has ended. SQL belongs to the caller again when Ended
// returns.
type Statement struct {
	Session uint32
	User    string
	Schema  string
	SQL     []byte // as the client sent it; empty for a command without text
	Mode    uint8  // how its quotes are read, for Board.Normal
	Digest  uint64 // equal for statements that differ in literals only; 0: not known
	Target  Target
	Host    string // the server that answered
	Why     string // why it went there, one sentence
	Took    time.Duration
	At      time.Time     // when it ended; zero: now
	Held    time.Duration // of Took: how long it waited for a writer
	Code    uint16        // the error it ended with; 0: none
	Retried bool          // a reader refused it first
	Rereads int           // how often it was sent again because its server went away
}

// ended is when it ended.
func (s *Statement) ended() time.Time {
	if s.At.IsZero() {
		return time.Now()
	}
	return s.At
}

// Board is where ended statements are brought. A zero Board counts and nothing else.
type Board struct {
	Digests *Digests // nil: none
	Slow    *SlowLog // nil: none
	Trace   *Tracer  // nil: none
	// Normal writes a statement without its literals; mode is Statement.Mode. It is
	// called once for each kind, for slow statements, and for those that are traced.
	Normal func(sql []byte, mode uint8) string
}

// Ended takes note of a statement.
func (b *Board) Ended(c *Counts, s *Statement) {
	c.ended(s)
	if b.Digests != nil && s.Digest != 0 && !b.Digests.seen(s) {
		b.Digests.learn(s, b.normal(s))
	}
	if b.Slow != nil && b.Slow.wants(s.Took) {
		b.Slow.write(s, b.normal(s))
	}
	if b.Trace != nil && b.Trace.On() {
		b.Trace.say(s, b.traced(s))
	}
}

// traced is the text of a statement for the trace.
func (b *Board) traced(s *Statement) string {
	if b.Trace.literals.Load() {
		return string(s.SQL)
	}
	return b.normal(s)
}

// normal never shows a literal when it is not known how to take them out: they may
// be anybody's secrets.
func (b *Board) normal(s *Statement) string {
	if b.Normal == nil || len(s.SQL) == 0 {
		return ""
	}
	return b.Normal(s.SQL, s.Mode)
}
