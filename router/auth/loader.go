package auth

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Source reads the accounts of a server: it calls each for every row, with the
// columns that ParseAccount takes. Its context has a deadline.
type Source func(ctx context.Context, each func(user, host, privileges string)) error

// LoaderOptions say where accounts come from.
type LoaderOptions struct {
	File   string        // the file of users; "": none
	Source Source        // a server's accounts; nil: none
	Every  time.Duration // between two loads; 0: a minute
	Log    *slog.Logger  // nil: nothing is logged
}

const (
	// loadEvery is how old what is known may be of an account that was dropped
	// or locked; its next login at a server fails before that.
	loadEvery = time.Minute
	// kickRest is the least time between two loads that wrong passwords ask for,
	// so that whoever guesses does not make the router busy its writer.
	kickRest = time.Second
	// loadLimit bounds one reading of a server's accounts.
	loadLimit = 5 * time.Second
	// againAfter is the least wait after a server's accounts could not be read; it
	// doubles each time: until they are known every client reads from the writer.
	againAfter = time.Second
)

// Loader keeps the accounts up to date: at every interval, and at once after a
// proof failed (Kick). A source that cannot be read, or a file that is wrong,
// leaves what was last read of it in force, and says so in Status and the log.
type Loader struct {
	opt  LoaderOptions
	log  *slog.Logger
	now  atomic.Pointer[Accounts]
	kick chan struct{}

	mu     sync.Mutex // guards what follows
	news   chan struct{}
	status Status
	file   []Account // last good
	server []Account
}

// Status says how the accounts stand.
type Status struct {
	Users      int
	Loads      uint64    // that have ended, well or not
	Loaded     time.Time // end of the last one
	FileError  string    // why the file's last good version is used; "": it is the present one
	ServerErr  string    // the same of the server's accounts
	FileUsers  int
	ServerSeen time.Time // when the server's accounts were last read; zero: never
}

// NewLoader reads the file of users once and fails if it is wrong: at the start
// somebody looks. A server is first asked by Run, for it may be down.
func NewLoader(opt LoaderOptions) (*Loader, error) {
	l := &Loader{opt: opt, log: opt.Log, kick: make(chan struct{}, 1), news: make(chan struct{})}
	if l.log == nil {
		l.log = slog.New(slog.DiscardHandler)
	}
	if l.opt.Every <= 0 {
		l.opt.Every = loadEvery
	}
	if opt.File != "" {
		users, err := ReadUsers(opt.File)
		if err != nil {
			return nil, err
		}
		l.file = users
	}
	l.publish()
	return l, nil
}

// Now is what is known at this moment. It does not change, and is never nil.
func (l *Loader) Now() *Accounts { return l.now.Load() }

// Status says how the accounts stand.
func (l *Loader) Status() Status {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.status
}

// Kick asks for a load soon, since a proof failed that may be one by a new
// password. It does not wait, and may be called as often as wanted: loads by
// kicks begin at least a second apart.
func (l *Loader) Kick() {
	select {
	case l.kick <- struct{}{}:
	default:
	}
}

// Fresh waits for the end of the next load, or of the context, and gives what is
// known then. It is for after a Kick.
func (l *Loader) Fresh(ctx context.Context) *Accounts {
	l.mu.Lock()
	news := l.news
	l.mu.Unlock()
	select {
	case <-news:
	case <-ctx.Done():
	}
	return l.Now()
}

// Run loads until the context ends. Its caller waits for it.
func (l *Loader) Run(ctx context.Context) error {
	wait := againAfter
	for {
		begun := time.Now()
		l.Load(ctx)
		timer := time.NewTimer(min(wait, l.opt.Every))
		wait *= 2
		if l.Status().ServerErr == "" {
			timer.Reset(l.opt.Every)
			wait = againAfter
		}
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.kick:
			rest(ctx, kickRest-time.Since(begun))
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // being told to end is no error
		}
	}
}

func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Load reads both sources once. Run calls it; so does a reload by hand.
func (l *Loader) Load(ctx context.Context) {
	var file, server []Account
	var fileErr, serverErr error
	if l.opt.File != "" {
		file, fileErr = ReadUsers(l.opt.File)
	}
	if l.opt.Source != nil {
		server, serverErr = readSource(ctx, l.opt.Source)
	}
	if ctx.Err() != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if fileErr == nil {
		l.file = file
	}
	if serverErr == nil && l.opt.Source != nil {
		l.server, l.status.ServerSeen = server, time.Now()
	}
	l.say("the file of users", &l.status.FileError, fileErr, true)
	l.say("the accounts of the servers", &l.status.ServerErr, serverErr, !l.status.ServerSeen.IsZero())
	l.publish()
	l.status.Loads++
	l.status.Loaded = time.Now()
	close(l.news)
	l.news = make(chan struct{})
}

// say logs a change of what is wrong with a source, and keeps it.
func (l *Loader) say(what string, kept *string, err error, readBefore bool) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == *kept {
		return
	}
	*kept = text
	if err != nil {
		so := "what was last read stays in force"
		if !readBefore {
			so = "who logs in now reads from the writer, not from readers"
		}
		l.log.Warn("users cannot be read", "from", what, "so", so, "err", err)
	} else {
		l.log.Info("users can be read again", "from", what)
	}
}

func (l *Loader) publish() {
	a := NewAccounts(l.file, l.server)
	l.status.Users, l.status.FileUsers = a.Users(), len(l.file)
	l.now.Store(a)
}

// readSource is all or nothing: half of the accounts would make the others
// unknown. A single account that cannot be read is one that servers judge.
func readSource(ctx context.Context, source Source) ([]Account, error) {
	ctx, cancel := context.WithTimeout(ctx, loadLimit)
	defer cancel()
	var out []Account
	var bad []error
	err := source(ctx, func(user, host, text string) {
		one, is, err := ParseAccount(user, host, text)
		if err != nil {
			bad = append(bad, err)
		} else if is {
			out = append(out, one)
		}
	})
	if err := errors.Join(append(bad, err)...); err != nil {
		return nil, err
	}
	return out, nil
}
