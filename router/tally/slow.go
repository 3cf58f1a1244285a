package tally

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// slowQueue bounds what waits for the disk: a disk that hangs delays no client.
const slowQueue = 1024

// SlowLog writes statements that took long to a file, one JSON object a line.
type SlowLog struct {
	log       *slog.Logger
	threshold atomic.Int64 // nanoseconds; below 0: nothing is written
	lines     chan slowLine
	dropped   atomic.Uint64
	written   atomic.Uint64
	rare      Rare

	mu   sync.Mutex
	path string
	file *os.File
}

// slowLine is one line of the file.
type slowLine struct {
	Time    time.Time `json:"time"` // when it ended
	Seconds float64   `json:"seconds"`
	Held    float64   `json:"heldSeconds,omitempty"`
	Session uint32    `json:"session"`
	User    string    `json:"user"`
	Schema  string    `json:"schema,omitempty"`
	Target  Target    `json:"target"`
	Host    string    `json:"host,omitempty"`
	Why     string    `json:"why,omitempty"`
	Error   uint16    `json:"error,omitempty"`
	Digest  uint64    `json:"digest,string"`
	Text    string    `json:"text,omitempty"` // without literals
}

// NewSlowLog writes nothing until Use has named a file.
func NewSlowLog(log *slog.Logger) *SlowLog {
	s := &SlowLog{log: log, lines: make(chan slowLine, slowQueue)}
	s.threshold.Store(-1)
	return s
}

// Use changes file and threshold, and opens the file anew, which a rotation of logs
// needs. An empty path ends the writing. The error says why nothing was changed.
func (s *SlowLog) Use(path string, threshold time.Duration) error {
	var file *os.File
	if path != "" {
		var err error
		if file, err = os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640); err != nil {
			return fmt.Errorf("open the slow log: %w", err)
		}
	}
	s.mu.Lock()
	old := s.file
	s.path, s.file = path, file
	s.mu.Unlock()
	if file == nil {
		s.threshold.Store(-1)
	} else {
		s.threshold.Store(int64(threshold))
	}
	if old != nil {
		return errors.Join(old.Close())
	}
	return nil
}

func (s *SlowLog) wants(took time.Duration) bool {
	t := s.threshold.Load()
	return t >= 0 && int64(took) >= t
}

// write queues a line, or drops it.
func (s *SlowLog) write(st *Statement, text string) {
	line := slowLine{
		Time: time.Now(), Seconds: st.Took.Seconds(), Held: st.Held.Seconds(), Session: st.Session, User: st.User, Schema: st.Schema,
		Target: st.Target, Host: st.Host, Why: st.Why, Error: st.Code, Digest: st.Digest, Text: text,
	}
	select {
	case s.lines <- line:
	default:
		s.dropped.Add(1)
	}
}

// Counts says how many lines were written and how many dropped.
func (s *SlowLog) Counts() (written, dropped uint64) { return s.written.Load(), s.dropped.Load() }

// Run writes until ctx ends, then what is queued, and closes the file.
func (s *SlowLog) Run(ctx context.Context) error {
	for {
		select {
		case line := <-s.lines:
			s.put(line)
		case <-ctx.Done():
			for {
				select {
				case line := <-s.lines:
					s.put(line)
				default:
					return s.Use("", 0)
				}
			}
		}
	}
}

func (s *SlowLog) put(line slowLine) {
	data, err := json.Marshal(line)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.file != nil {
		_, err = s.file.Write(append(data, '\n'))
	}
	if err != nil {
		s.dropped.Add(1)
		if unsaid, due := s.rare.Due("write"); due {
			s.log.Error("cannot write the slow log: lines are lost", "path", s.path, "err", err, "unsaid", unsaid)
		}
		return
	}
	s.written.Add(1)
}
