package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// This file is pid 1 of a host: a small systemd. One loop owns all state.

// unitSpec is a program that the init keeps running.
type unitSpec struct {
	Name  string        `json:"name"`
	Argv  []string      `json:"argv"`
	Pre   []string      `json:"pre,omitempty"` // runs to its end before each start; a failure delays the start
	Log   string        `json:"log"`
	Delay time.Duration `json:"delay"` // between an unasked end and the next start
}

// unitState is what the init says of a unit.
type unitState struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"`      // in the host's pid namespace; 0: does not run
	Starting bool   `json:"starting"` // Pre runs, or the delay
	Held     bool   `json:"held"`     // stays down until it is started by request
	Restarts int    `json:"restarts"` // starts that nobody asked for
	LastEnd  string `json:"lastEnd,omitempty"`
}

// request is one line to the init, answer one line back.
type request struct {
	ID     int            `json:"id"`
	Op     string         `json:"op"` // start, signal, listen or list
	Spec   unitSpec       `json:"spec,omitzero"`
	Name   string         `json:"name,omitempty"`
	Signal syscall.Signal `json:"signal,omitempty"`
	Hold   bool           `json:"hold,omitempty"` // do not start it again
}

type answer struct {
	ID    int         `json:"id"`
	Error string      `json:"error,omitempty"`
	Units []unitState `json:"units,omitempty"`
}

// controlFD is where the init finds its connection to the bed.
const controlFD = 3

// unit is a unitSpec and what became of it.
type unit struct {
	spec     unitSpec
	state    unitState
	pre      bool // state.PID is that of Pre
	want     bool
	attempts int // invalidates a pending start
}

type supervisor struct {
	units map[string]*unit
	log   io.Writer
	again chan restart

	local   chan string // what a program of the host asks, see listen
	listens bool
}

// restart is a due start; it is void when the unit was touched meanwhile.
type restart struct {
	unit    *unit
	attempt int
}

// hostMain is the init of a host: os.Args[1] is its name. It returns when the
// bed closes the connection; the kernel then ends everything on the host.
func hostMain() error {
	if os.Getpid() != 1 {
		return errors.New("the init of a host must be pid 1 of its namespace")
	}
	if err := privateMounts(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(os.Args[1])); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	// No child may inherit the connection: it would keep a closed bed alive.
	unix.CloseOnExec(controlFD)
	conn := os.NewFile(controlFD, "control")
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	signal.Ignore(unix.SIGINT, unix.SIGHUP, unix.SIGTERM, unix.SIGPIPE)

	requests := make(chan request)
	go func() {
		defer close(requests)
		for in := json.NewDecoder(conn); ; {
			var r request
			if in.Decode(&r) != nil {
				return
			}
			requests <- r
		}
	}()
	s := &supervisor{units: make(map[string]*unit), log: os.Stderr, again: make(chan restart, 16), local: make(chan string)}
	out := json.NewEncoder(conn)
	if err := out.Encode(answer{}); err != nil { // says "ready"
		return fmt.Errorf("answer: %w", err)
	}
	for {
		select {
		case r, ok := <-requests:
			if !ok {
				return nil
			}
			if err := out.Encode(s.serve(r)); err != nil {
				return fmt.Errorf("answer: %w", err)
			}
		case <-ended:
			s.reap()
		case line := <-s.local:
			s.asked(line)
		case a := <-s.again:
			if a.unit.want && a.attempt == a.unit.attempts && a.unit.state.PID == 0 {
				a.unit.state.Restarts++
				s.launch(a.unit)
			}
		}
	}
}

// serve carries out one request. It never blocks.
func (s *supervisor) serve(r request) answer {
	a := answer{ID: r.ID}
	var err error
	switch r.Op {
	case "start":
		err = s.start(r.Spec)
	case "signal":
		err = s.signal(r)
	case "listen":
		err = s.listen(r.Name)
	case "list":
	default:
		err = fmt.Errorf("unknown request %q", r.Op)
	}
	if err != nil {
		a.Error = err.Error()
	}
	for _, u := range s.units {
		a.Units = append(a.Units, u.state)
	}
	sort.Slice(a.Units, func(i, j int) bool { return a.Units[i].Name < a.Units[j].Name })
	return a
}

func (s *supervisor) start(spec unitSpec) error {
	u := s.units[spec.Name]
	if u == nil {
		u = &unit{state: unitState{Name: spec.Name}}
		s.units[spec.Name] = u
	}
	if u.state.PID != 0 && !u.pre {
		return fmt.Errorf("%s runs already, pid %d", spec.Name, u.state.PID)
	}
	u.spec, u.want, u.state.Held = spec, true, false
	if u.state.PID == 0 {
		s.launch(u)
	}
	return nil
}

func (s *supervisor) signal(r request) error {
	u := s.units[r.Name]
	if u == nil {
		return fmt.Errorf("%s was never started here", r.Name)
	}
	if r.Hold {
		u.want, u.state.Held, u.state.Starting = false, true, false
		u.attempts++
	}
	if u.state.PID == 0 {
		return fmt.Errorf("%s does not run", r.Name)
	}
	if err := unix.Kill(u.state.PID, r.Signal); err != nil {
		return fmt.Errorf("signal %s: %w", r.Name, err)
	}
	return nil
}

// listen lets programs of the host ask as well, as an agent does of systemd: by a
// line in a fifo, "stop UNIT" or "start UNIT".
func (s *supervisor) listen(fifo string) error {
	if s.listens {
		return nil
	}
	if err := unix.Mkfifo(fifo, 0o600); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("make %s: %w", fifo, err)
	}
	in, err := os.OpenFile(fifo, os.O_RDWR|unix.O_CLOEXEC, 0) // of two ends, so that it never ends
	if err != nil {
		return err
	}
	s.listens = true
	go func() {
		for lines := bufio.NewScanner(in); lines.Scan(); {
			s.local <- lines.Text()
		}
	}()
	return nil
}

// asked carries out what a program of the host asked; what cannot be done is said
// in the log, and whoever asked sees that it was not.
func (s *supervisor) asked(line string) {
	word, name, _ := strings.Cut(line, " ")
	err := fmt.Errorf("unknown request %q", line)
	switch u := s.units[name]; {
	case u == nil:
	case word == "stop":
		err = s.signal(request{Name: name, Signal: unix.SIGTERM, Hold: true})
	case word == "start" && u.state.PID != 0 && !u.want: // it is about to end: as soon as it has, as systemd does
		u.want, u.state.Held, err = true, false, nil
	case word == "start":
		err = s.start(u.spec)
	}
	s.say("asked from within: %s: %v", line, err)
}

// launch forks what comes next for the unit: Pre, or the program itself.
func (s *supervisor) launch(u *unit) {
	u.attempts++
	u.pre = len(u.spec.Pre) > 0
	u.state.Starting = true
	s.fork(u)
}

func (s *supervisor) fork(u *unit) {
	argv := u.spec.Argv
	if u.pre {
		argv = u.spec.Pre
	}
	pid, err := forkLogged(argv, u.spec.Log)
	if err != nil {
		s.later(u, err.Error())
		return
	}
	u.state.PID, u.state.Starting = pid, u.pre
	s.say("%s: started pid %d: %v", u.spec.Name, pid, argv)
}

// later schedules the next try after the unit's delay.
func (s *supervisor) later(u *unit, why string) {
	u.state.PID, u.state.LastEnd, u.state.Starting = 0, why, u.want
	s.say("%s: ended: %s; wanted: %t", u.spec.Name, why, u.want)
	if !u.want {
		return
	}
	u.attempts++
	due := restart{unit: u, attempt: u.attempts}
	time.AfterFunc(u.spec.Delay, func() { s.again <- due })
}

// reap collects every ended child, orphans of other programs included.
func (s *supervisor) reap() {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
		for _, u := range s.units {
			if u.state.PID == pid {
				s.ended(u, status)
			}
		}
	}
}

func (s *supervisor) ended(u *unit, status unix.WaitStatus) {
	if u.pre && status.Exited() && status.ExitStatus() == 0 && u.want {
		u.pre = false
		s.fork(u)
		return
	}
	why := "exit " + strconv.Itoa(status.ExitStatus())
	if status.Signaled() {
		why = status.Signal().String()
	}
	if u.pre {
		why = "before the start: " + why
	}
	s.later(u, why)
}

func (s *supervisor) say(format string, args ...any) {
	fmt.Fprintf(s.log, "%s %s\n", time.Now().Format("15:04:05.000"), fmt.Sprintf(format, args...))
}

// forkLogged starts argv in a process group of its own, its output appended to
// the log. Nobody but reap waits for it: os/exec would compete with reap for
// the exit status.
func forkLogged(argv []string, log string) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, fmt.Errorf("open null: %w", err)
	}
	defer null.Close()
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, fmt.Errorf("open log: %w", err)
	}
	defer out.Close()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{null.Fd(), out.Fd(), out.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", argv[0], err)
	}
	return pid, nil
}
