package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// The application has the patience of one: longer than a router lets a statement wait.
const (
	writeLimit = 15 * time.Second
	askEvery   = 10 * time.Millisecond
	askLimit   = 15 * time.Second
	askers     = 4
	// asksPerConnection is how many reads a connection is used for, as pools do:
	// which reader it reads from is chosen when it is opened.
	asksPerConnection = 10
)

// whoAnswers reads what differs from server to server and still is a read.
const whoAnswers = "SELECT variable_value FROM information_schema.global_variables WHERE variable_name = 'SERVER_ID'"

// application knows one address, the router VIP: it writes through it (journal) and
// reads through it.
type application struct {
	journal *load.Journal

	mu       sync.Mutex
	answers  []answer // of all connections that read, in order of time
	troubles []trouble
	last     [askers]time.Time
	pauses   []silence
}

// answer is one read that was answered.
type answer struct {
	at     time.Time
	server int64
}

// trouble is one error that the application saw.
type trouble struct {
	at   time.Time
	kind string // as kindOf says
}

// silence is a time in which one reading connection had no answer.
type silence struct {
	from, to time.Time
}

// start runs the clients until ctx ends; done waits for them. failed takes the
// writer's error, if it could not go on.
func (a *application) start(ctx context.Context, bed *lab.Bed, vip string, done *sync.WaitGroup, failed func(error)) error {
	dialer, err := bed.Dialer(lab.ClientHost)
	if err != nil {
		return err
	}
	if a.journal, err = load.NewJournal("demo", nil); err != nil {
		return err
	}
	address := fmt.Sprintf("%s:%d", vip, lab.ClientPort)
	var sessions [askers]*load.Session
	for i := range sessions {
		sessions[i], err = load.NewSession(load.SessionOptions{Dial: dialer.DialContext, Address: address, User: lab.AppUser, Password: lab.AppPassword})
		if err != nil {
			return err
		}
		a.last[i] = time.Now()
	}
	for i, session := range sessions {
		done.Go(func() {
			defer session.HangUp()
			a.ask(ctx, i, session)
		})
	}
	done.Go(func() {
		failed(load.Run(ctx, load.Options{
			Dial: dialer.DialContext, Address: address, User: lab.AppUser, Password: lab.AppPassword, Journal: a.journal, Timeout: writeLimit,
		}))
	})
	return nil
}

// ask reads until ctx ends.
func (a *application) ask(ctx context.Context, client int, session *load.Session) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		server, err := session.Query(context.WithoutCancel(ctx), askLimit, whoAnswers)
		a.note(client, time.Now(), server, err)
		if n%asksPerConnection == 0 {
			session.HangUp()
		}
	}
}

// longPause is what is worth remembering of the time between two answers.
const longPause = 20 * time.Millisecond

func (a *application) note(client int, now time.Time, server int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.troubles = append(a.troubles, trouble{now, kindOf(load.Unknown, err.Error(), "read")})
		return
	}
	if now.Sub(a.last[client]) > longPause {
		a.pauses = append(a.pauses, silence{a.last[client], now})
	}
	a.last[client] = now
	a.answers = append(a.answers, answer{now, server})
}

// kindOf sorts an error of a statement into what an application would say of it.
func kindOf(o load.Outcome, why, statement string) string {
	switch {
	case strings.HasPrefix(why, "connect:"):
		return "could not connect"
	case o == load.Refused:
		return "had an " + statement + " refused, or lost its connection before that was sent"
	case statement == "read":
		return "lost a read"
	default:
		return "was not told whether an " + statement + " happened"
	}
}

// since is what the application saw from a moment on.
func (a *application) since(from time.Time) seen {
	now := time.Now()
	s := seen{write: a.journal.LongestGap(from, now).Length(), kinds: map[string]int{}}
	for _, t := range a.journal.Attempts() {
		if t.End.After(from) && t.Outcome != load.Acked {
			s.kinds[kindOf(t.Outcome, t.Why, "insert")]++
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.troubles {
		if t.at.After(from) {
			s.kinds[t.kind]++
		}
	}
	for _, p := range a.pauses {
		if p.to.After(from) {
			s.read = max(s.read, p.to.Sub(p.from))
		}
	}
	for _, last := range a.last { // a silence that has not ended
		s.read = max(s.read, now.Sub(last))
	}
	return s
}

// lately counts the reads of the last moments by the number of the server that answered.
func (a *application) lately(now time.Time) map[int64]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	count := map[int64]int{}
	for _, one := range slices.Backward(a.answers) {
		if now.Sub(one.at) > moments {
			break
		}
		count[one.server]++
	}
	return count
}

// moments is how far back "lately" goes.
const moments = time.Second

// answered is how many reads were answered in all.
func (a *application) answered() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.answers)
}

// seen is what the application saw in some time: the longest pauses of one of its
// connections, and its errors by kind.
type seen struct {
	write, read time.Duration
	kinds       map[string]int
}

// errors is the number of errors.
func (s seen) errors() int {
	n := 0
	for _, k := range s.kinds {
		n += k
	}
	return n
}

// unsure is how many statements have an outcome that the application does not know.
func (s seen) unsure() int { return s.kinds[kindOf(load.Unknown, "", "insert")] }

// String says the errors in words.
func (s seen) String() string {
	var parts []string
	for kind, n := range s.kinds {
		times := "once"
		if n > 1 {
			times = fmt.Sprintf("%d times", n)
		}
		parts = append(parts, fmt.Sprintf("it %s (%s)", kind, times))
	}
	out := "the application saw " + errorCount(s.errors())
	if len(parts) > 0 {
		slices.Sort(parts)
		out += ": " + strings.Join(parts, ", ")
	}
	return out
}

func errorCount(n int) string {
	switch n {
	case 0:
		return "no error"
	case 1:
		return "1 error"
	default:
		return fmt.Sprintf("%d errors", n)
	}
}
