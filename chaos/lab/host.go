package lab

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Limits of the bed's own steps. They only end a wait that would never succeed;
// an idle machine needs a hundredth.
const (
	initAnswers  = 5 * time.Second  // the init answers a request
	processEnds  = 10 * time.Second // after SIGKILL
	processStops = 20 * time.Second // after SIGTERM
	serverStarts = 30 * time.Second // mysqld, etcd
	pollEvery    = 5 * time.Millisecond
)

// ErrDown says that the host has no power: nothing can be done on it before StartHost.
var ErrDown = errors.New("host is down")

// machine is a host of the bed. Its init changes with each StartHost.
type machine struct {
	Host
	dir    string // its disk: survives KillHost
	logDir string
	db     *sql.DB // nil when it has no database
	mine   bool    // dir was made by this bed

	mu     sync.Mutex // guards what follows and serialises requests to the init
	boot   *boot      // nil: no power
	nextID int
	frozen bool   // the whole host
	loop   string // name of the loop device of its disk; empty: none
}

// boot is one life of a host, from power on to power off.
type boot struct {
	cmd       *exec.Cmd
	pid       int // of the init
	namespace string
	conn      *net.UnixConn
	in        *json.Decoder
	out       *json.Encoder
	gone      chan struct{} // closed when the init was waited for
	group     *cgroup       // nil: without Options.Cgroups
}

// powerOn starts the init of the host, in new namespaces.
func (m *machine) powerOn(ctx context.Context, cgroups bool) (*boot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boot != nil {
		return nil, fmt.Errorf("start host %s: it runs already", m.Name)
	}
	var group *cgroup
	if cgroups {
		var err error
		if group, err = newCgroup(); err != nil {
			return nil, fmt.Errorf("start host %s: %w", m.Name, err)
		}
	}
	b, err := m.spawn(group)
	if err != nil {
		if group != nil {
			err = errors.Join(err, group.close())
		}
		return nil, fmt.Errorf("start host %s: %w", m.Name, err)
	}
	if err := b.ready(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("start host %s: %w (see %s)", m.Name, err, m.log("host")), b.powerOff())
	}
	m.boot, m.frozen = b, false
	return b, nil
}

func (m *machine) spawn(group *cgroup) (*boot, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make control connection: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(pair[0]), "control"), os.NewFile(uintptr(pair[1]), "control")
	defer theirs.Close()
	defer ours.Close() // FileConn has its own copy
	conn, err := net.FileConn(ours)
	if err != nil {
		return nil, fmt.Errorf("use control connection: %w", err)
	}
	log, err := os.OpenFile(m.log("host"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(self)
	cmd.Args = []string{"mmmlab-host", m.Name} // what ps shows
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), roleEnv+"="+roleHost)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{theirs} // becomes controlFD
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	if group != nil {
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(group.fd.Fd())
	}
	if err := cmd.Start(); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("start init: %w", err)
	}
	b := &boot{cmd: cmd, pid: cmd.Process.Pid, conn: conn.(*net.UnixConn),
		in: json.NewDecoder(conn), out: json.NewEncoder(conn), gone: make(chan struct{}), group: group}
	go func() {
		defer close(b.gone)
		_ = cmd.Wait() // how it ended is no news: the bed ended it
	}()
	return b, nil
}

func (b *boot) ready(ctx context.Context) error {
	ns, err := pidNamespace(b.pid)
	if err != nil {
		return fmt.Errorf("read pid namespace: %w", err)
	}
	b.namespace = ns
	ctx, cancel := context.WithTimeout(ctx, initAnswers)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := b.conn.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("limit answer: %w", err)
	}
	var hello answer
	if err := b.in.Decode(&hello); err != nil {
		return fmt.Errorf("wait for init: %w", err)
	}
	return nil
}

// powerOff ends everything on the host at once and waits until it is gone.
func (b *boot) powerOff() (err error) {
	defer b.conn.Close()
	if b.group != nil {
		if err := b.group.kill(); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.group.close()) }()
	}
	if err := b.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill init: %w", err)
	}
	limit := time.After(processEnds)
	for {
		select {
		case <-b.gone:
			return nil
		case <-limit:
			return fmt.Errorf("init %d still lives %s after SIGKILL", b.pid, processEnds)
		case <-time.After(pollEvery):
			reapOrphans()
		}
	}
}

// log names the log file of one process of the host.
func (m *machine) log(what string) string {
	return filepath.Join(m.logDir, m.Name+"."+what+".log")
}

// up returns the present life of the host, or ErrDown.
func (m *machine) up() (*boot, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.boot == nil {
		return nil, fmt.Errorf("%s: %w", m.Name, ErrDown)
	}
	return m.boot, nil
}

// hasPower reports whether the host lives, frozen or not.
func (m *machine) hasPower() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boot != nil
}

// ask sends one request to the init and returns its answer. A frozen host does
// not answer; that is an error after initAnswers.
func (m *machine) ask(ctx context.Context, r request) ([]unitState, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.boot == nil:
		return nil, fmt.Errorf("%s: %w", m.Name, ErrDown)
	case m.frozen:
		return nil, fmt.Errorf("%s is frozen; thaw it first", m.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, initAnswers)
	defer cancel()
	deadline, _ := ctx.Deadline()
	if err := m.boot.conn.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("limit request to %s: %w", m.Name, err)
	}
	m.nextID++
	r.ID = m.nextID
	if err := m.boot.out.Encode(r); err != nil {
		return nil, fmt.Errorf("ask %s: %w", m.Name, err)
	}
	for {
		var a answer
		if err := m.boot.in.Decode(&a); err != nil {
			return nil, fmt.Errorf("await answer of %s: %w", m.Name, err)
		}
		if a.ID != r.ID {
			continue // to a request whose sender gave up
		}
		if a.Error != "" {
			return a.Units, fmt.Errorf("%s: %s", m.Name, a.Error)
		}
		return a.Units, nil
	}
}

// unit asks for the state of one unit; a unit never started has the zero state.
func (m *machine) unit(ctx context.Context, name string) (unitState, error) {
	units, err := m.ask(ctx, request{Op: "list"})
	if err != nil {
		return unitState{}, err
	}
	for _, u := range units {
		if u.Name == name {
			return u, nil
		}
	}
	return unitState{Name: name}, nil
}

// worldPIDOf is the pid in the world of a unit that runs.
func (m *machine) worldPIDOf(ctx context.Context, name string) (int, error) {
	boot, err := m.up()
	if err != nil {
		return 0, err
	}
	u, err := m.unit(ctx, name)
	if err != nil {
		return 0, err
	}
	if u.PID == 0 {
		return 0, fmt.Errorf("%s does not run on %s", name, m.Name)
	}
	pid, err := boot.worldPID(u.PID)
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", name, err)
	}
	return pid, nil
}

// worldPID translates a pid of the host to the world's.
func (b *boot) worldPID(inner int) (int, error) {
	all, err := processesIn(b.namespace)
	if err != nil {
		return 0, err
	}
	for _, p := range all {
		if p.inner == inner {
			return p.pid, nil
		}
	}
	return 0, fmt.Errorf("pid %d of the host: %w", inner, os.ErrProcessDone)
}

// until polls ok until it says true, ctx ends, or the limit is over; what names
// the awaited fact in the error.
func until(ctx context.Context, limit time.Duration, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		done, err := ok()
		if done && err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait until %s: %w", what, ctx.Err()), err)
		case <-time.After(pollEvery):
		}
	}
}
