package etcdembed

import (
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/mmm-ha/mmm/internal/slogzap"
)

// phase is where the member stands in its life; it decides what of etcd's own
// log is worth an operator's attention.
type phase int32

const (
	phaseStarting phase = iota + 1 // Start has not returned: errors are returned by it
	phaseWaiting                   // no quorum yet: our own progress line says so
	phaseServing
	phaseStopping
)

func (p phase) String() string {
	switch p {
	case phaseStarting:
		return "starting"
	case phaseWaiting:
		return "waiting"
	case phaseServing:
		return "serving"
	case phaseStopping:
		return "stopping"
	default:
		return fmt.Sprintf("phase(%d)", int32(p))
	}
}

// mostRejected bounds what is remembered of hosts that anybody may pretend to be.
const mostRejected = 1000

// noise judges etcd's log lines. All its methods may be called from any
// goroutine.
type noise struct {
	phase atomic.Int32
	cause atomic.Pointer[string] // etcd's own word on why it ended

	mu       sync.Mutex
	rejected map[string]time.Time // when a host's connections were last said to be rejected
}

func (n *noise) enter(p phase) { n.phase.Store(int32(p)) }

// judge is the slogzap.Judge of the member's logger.
func (n *noise) judge(e zapcore.Entry, fields []zapcore.Field) (slog.Level, bool) {
	if e.Message == "server error" {
		n.note(fields) // etcd says why it ends in its log and nowhere else
	}
	level := slogzap.Lower(e.Level)
	if level >= slog.LevelError {
		return level, true // the process ends with this line
	}
	if strings.HasPrefix(e.Message, "setting up serving from embedded etcd failed") {
		// The end of a listener. While serving Err reports it; a clean Close
		// says it of each listener that it closes itself.
		return level, false
	}
	if strings.HasPrefix(e.Message, "rejected connection") && !n.news(fields, e.Time) {
		level = slog.LevelDebug
	}
	switch phase(n.phase.Load()) {
	case phaseStarting, phaseStopping:
		return slog.LevelDebug, true
	case phaseWaiting:
		return tame(e, level) - (slog.LevelWarn - slog.LevelInfo), true
	default:
		return tame(e, level), true
	}
}

// tame hides the lines that tell an operator nothing new.
func tame(e zapcore.Entry, level slog.Level) slog.Level {
	for _, start := range hidden {
		if strings.HasPrefix(e.Message, start) {
			return slog.LevelDebug
		}
	}
	return level
}

var hidden = []string{
	// Said of each of four connections to a member that went down, or every
	// few seconds until it is back. One line for the member remains: "peer
	// became inactive".
	"lost TCP streaming connection",
	"closed TCP streaming connection",
	"prober detected unhealthy status",
	"failed to reach the peer URL",
	"failed to get version",
	// Said in the first second of a new member, and settled by itself.
	"failed to update storage version",
	"Failed to detect schema version",
	"Validation on configuration change failed",
	// Refusals, of which the one that asked is told and which it repeats.
	"rejecting member add request",
	"rejecting promote learner",
	"failed to promote a member",
	"rejected stream from remote peer because it was removed",
}

// news reports whether it was not said lately that connections of this host are
// rejected: whose certificate is no good comes again and again.
func (n *noise) news(fields []zapcore.Field, now time.Time) bool {
	host := ""
	for _, f := range fields {
		if f.Key == "remote-addr" {
			host, _, _ = net.SplitHostPort(f.String)
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if now.Sub(n.rejected[host]) < repeatAfter {
		return false
	}
	if n.rejected == nil || len(n.rejected) > mostRejected {
		n.rejected = map[string]time.Time{}
	}
	n.rejected[host] = now
	return true
}

func (n *noise) note(fields []zapcore.Field) {
	for _, f := range fields {
		if err, ok := f.Interface.(error); ok && f.Key == "error" {
			text := err.Error()
			n.cause.Store(&text)
		}
	}
}

// ended turns the recorded cause into an error.
func (n *noise) ended() error {
	cause := n.cause.Load()
	switch {
	case cause == nil:
		return fmt.Errorf("etcd ended by itself and gave no reason; its last log lines are above")
	case strings.Contains(*cause, "removed from the cluster"):
		return fmt.Errorf("this member was %w; if that was a mistake, or to come back: move dataDir away and start with `join: true`", ErrRemoved)
	default:
		return fmt.Errorf("etcd ended by itself: %s", *cause)
	}
}
