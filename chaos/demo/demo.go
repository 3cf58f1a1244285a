package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// AutoSetOnline is what the bed's cluster file should say: chapter 3 waits for it.
const AutoSetOnline = 4 * time.Second

// The VIPs of the scenario, which a bed has by default.
const (
	writerVIP = "192.0.2.113"
	routerVIP = "192.0.2.170"
)

var readerVIPs = []string{"192.0.2.111", "192.0.2.112", "192.0.2.114", "192.0.2.115"}

// Hosts are those of the story: the scenario's, and two routers.
func Hosts() []lab.Host { return append(lab.DefaultHosts(), lab.RouterHosts()...) }

// Options say where the story is told.
type Options struct {
	// Bed is a whole cluster with Hosts and the default VIPs, db1 the writer.
	Bed *lab.Bed
	// Print takes the lines, without newlines. It must not block for long.
	Print func(line string)
	// Color allows escape sequences in the lines.
	Color bool
	// Began is what the times of the headings count from.
	Began time.Time
}

// ErrUntrue says that something which the story claims was not so; what was
// seen instead has been printed.
var ErrUntrue = errors.New("the story is not true")

// Run tells the whole story and returns nil only if everything in it was seen
// to be true. Its end wraps ErrUntrue when something was not, and is another
// error when the bed could not do or see it.
func Run(ctx context.Context, o Options) error {
	s := &story{
		voice: voice{print: o.Print, color: o.Color, began: o.Began},
		bed:   o.Bed,
		cast:  cast{address: make(map[string]string), writer: writerVIP, readers: readerVIPs, router: routerVIP},
		app:   &application{},
	}
	for _, h := range o.Bed.Hosts() {
		switch {
		case h.Database():
			s.address[h.Name] = h.Address.String()
		case h.Router:
			s.routers = append(s.routers, h.Name)
		}
	}
	clients, err := s.startClients(ctx)
	if err != nil {
		return err
	}
	for _, chapter := range []func(context.Context) error{
		s.start, s.crash, s.comeback, s.stop, s.planned, s.routerDies, s.oldHands,
	} {
		err := chapter(ctx)
		if err == nil {
			err = pause(ctx, calm)
		}
		if err != nil {
			return errors.Join(err, clients.stop())
		}
	}
	return s.ending(ctx, clients)
}

// story is the state of the telling.
type story struct {
	voice
	cast
	bed     *lab.Bed
	app     *application
	readers *readers
	gaps    []string // "kill -9 187 ms and no error"
}

// clients are what runs beside the story.
type clients struct {
	end     context.CancelFunc
	app     sync.WaitGroup
	err     error // of the application's writer, after app
	readers *readers
	running bool
}

// stop ends all clients, waits for them and returns why the writer failed, if it did.
func (c *clients) stop() error {
	if !c.running {
		return nil
	}
	c.running = false
	c.end()
	c.app.Wait()
	c.readers.done.Wait()
	return c.err
}

// startClients starts the application, and the readers beside it, on the client host.
func (s *story) startClients(ctx context.Context) (*clients, error) {
	ctx, end := context.WithCancel(ctx)
	c := &clients{end: end, running: true}
	var err error
	if c.readers, err = startReaders(ctx, s.bed, s.cast.readers); err != nil {
		end()
		return nil, err
	}
	s.readers = c.readers
	if err := s.app.start(ctx, s.bed, s.router, &c.app, func(err error) { c.err = err }); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

const (
	// calm between two chapters lets the client, and who reads along, do some work.
	calm      = 2500 * time.Millisecond
	lookAgain = 150 * time.Millisecond
	// comesTrue is generous: it only ends a wait for what will not come.
	comesTrue = 30 * time.Second
)

// see waits until all claims hold at one moment, shows mmmctl show of that
// moment, and says each claim. When they do not hold in time it shows the last look.
func (s *story) see(ctx context.Context, claims ...claim) error {
	end := time.Now().Add(comesTrue)
	for {
		f, err := gather(ctx, s.bed, s.readers, s.app)
		if err == nil && allHold(f, claims) || time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(err, s.judge(f, claims))
		}
		select {
		case <-ctx.Done():
		case <-time.After(lookAgain):
		}
	}
}

func allHold(f facts, claims []claim) bool {
	for _, c := range claims {
		if c.wrong(f) != "" {
			return false
		}
	}
	return true
}

// judge prints a look and what holds in it.
func (s *story) judge(f facts, claims []claim) error {
	s.command("mmmctl show", f.show)
	untrue := 0
	for _, c := range claims {
		if saw := c.wrong(f); saw != "" {
			s.bad(c.says, saw)
			untrue++
			continue
		}
		s.good(c.says)
	}
	if untrue > 0 {
		return fmt.Errorf("%w: %d of %d facts of this step did not come true within %v", ErrUntrue, untrue, len(claims), comesTrue)
	}
	return nil
}

// ctl shows an mmmctl command and what it printed; an error of the command ends the story.
func (s *story) ctl(ctx context.Context, args ...string) (string, error) {
	out, err := s.bed.Ctl(ctx, args...)
	s.command("mmmctl "+quoted(args), string(out))
	return string(out), err
}

// control does the same under MMM's own name, and the answer must contain want.
func (s *story) control(ctx context.Context, want string, args ...string) error {
	status, err := s.bed.Status(ctx)
	if err != nil {
		return fmt.Errorf("find mmmctl: %w", err)
	}
	// Ctl is: mmmctl --cluster NAME --endpoints LIST.
	name := filepath.Join(status.Work, "mmm_control")
	if err := os.Symlink(status.Ctl[0], name); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("name mmm_control: %w", err)
	}
	argv := append([]string{"env", "MMM_CLUSTER=" + status.Ctl[2], "MMM_ENDPOINTS=" + status.Ctl[4], name}, args...)
	out, err := s.bed.Exec(ctx, lab.ClientHost, argv...)
	s.command("mmm_control "+quoted(args), string(out))
	if err != nil {
		return err
	}
	if !strings.Contains(string(out), want) {
		s.bad("mmm_control answers "+want, string(out))
		return fmt.Errorf("%w: an answer of mmm_control", ErrUntrue)
	}
	return nil
}

// events shows what the cluster decided since a moment, each with its reason.
func (s *story) events(ctx context.Context, since time.Time) error {
	out, err := s.bed.Ctl(ctx, "events", "-n", "0", "--since", time.Since(since).Round(time.Millisecond).String())
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var short strings.Builder
	for line := range strings.Lines(string(out)) {
		// The date is today's.
		_, afterDate, _ := strings.Cut(line, " ")
		short.WriteString(afterDate)
	}
	s.command("mmmctl events", short.String())
	return nil
}

// awaitWrite waits until the client has a new row acknowledged that it began
// after a moment.
func (s *story) awaitWrite(ctx context.Context, after time.Time) error {
	end := time.Now().Add(comesTrue)
	for {
		if _, ok := s.app.journal.FirstAckAfter(after); ok {
			return nil
		}
		if time.Now().After(end) {
			s.bad("the client can write again", fmt.Sprintf("nothing was acknowledged for %v", comesTrue))
			return fmt.Errorf("%w: writes did not come back", ErrUntrue)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookAgain):
		}
	}
}

// tellSince says what the application saw since a moment, and keeps it for the end.
func (s *story) tellSince(what string, since time.Time) seen {
	saw := s.app.since(since)
	s.gap(saw)
	if saw.unsure() > 0 {
		s.text("     What it was not told is counted at the end: the row is on all servers, or on none.")
	}
	s.gaps = append(s.gaps, fmt.Sprintf("%s %d ms and %s", what, saw.write.Milliseconds(), errorCount(saw.errors())))
	return saw
}

// pause waits; what happens meanwhile is the cluster's affair.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func quoted(args []string) string {
	var words []string
	for _, a := range args {
		if strings.Contains(a, " ") {
			a = `"` + a + `"`
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}
