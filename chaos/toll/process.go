package toll

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a child that ends with us, whatever ends us.
type process struct {
	name  string
	pid   int
	log   bytes.Buffer
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn starts a child on a core; -1: on any. The kernel kills it when the thread
// ends that started it, so that thread waits for it.
func spawn(name string, core int, argv ...string) (*process, error) {
	if core >= 0 {
		argv = append([]string{"taskset", "-c", strconv.Itoa(core)}, argv...)
	}
	p := &process{name: name, cmd: exec.Command(argv[0], argv[1:]...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.log, &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started := make(chan error, 1)
	go func() { // ends with the child
		defer close(p.ended)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p.pid = p.cmd.Process.Pid
	return p, nil
}

// kill ends it: nothing of it is needed any more.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// await waits until ready says yes, as long as the process lives.
func (p *process) await(limit time.Duration, ready func() error) error {
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %s", p.name, p.log.String())
		default:
		}
		if time.Now().After(end) {
			p.kill()
			return fmt.Errorf("%s is not ready after %s: %w\n%s", p.name, limit, err, p.log.String())
		}
	}
}

// cpu is the time that all threads of a process have run, and how much of it was
// spent in user mode. The first is exact to nanoseconds. The kernel estimates the
// second by looking at its ticks, so only the sum of many measurements is of use.
func cpu(pid int) (all, user time.Duration, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(tasks) == 0 {
		return 0, 0, errors.Join(err, fmt.Errorf("process %d is gone", pid))
	}
	for _, file := range tasks {
		text, err := os.ReadFile(file)
		if err != nil {
			return 0, 0, err
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", file, err)
		}
		all += time.Duration(ns)
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	// Fields 14 and 15, counted behind the name, which may have spaces in it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks, err := strconv.ParseInt(fields[11], 10, 64)
	return all, time.Duration(ticks) * (time.Second / 100), err
}

// rss is the memory of a process that is in RAM, in bytes, and how much of that are pages
// of files: its program, which the kernel drops when it needs the room.
func rss(pid int) (all, files int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		for name, to := range map[string]*int64{"VmRSS:": &all, "RssFile:": &files} {
			if value, ok := strings.CutPrefix(line, name); ok {
				kb, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
				if err != nil {
					return 0, 0, err
				}
				*to = kb << 10
			}
		}
	}
	if all == 0 {
		return 0, 0, fmt.Errorf("process %d has no memory", pid)
	}
	return all, files, nil
}

// bind puts all threads of this process on one core; its children inherit it.
func bind(core int) error {
	var set unix.CPUSet
	set.Set(core)
	for range 2 { // a thread may have been born meanwhile
		tasks, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, t := range tasks {
			tid, err := strconv.Atoi(t.Name())
			if err == nil {
				err = unix.SchedSetaffinity(tid, &set)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("bind to core %d: %w", core, err)
			}
		}
	}
	return nil
}

// wanted is how many files a process should be allowed to open: for each of ten
// thousand clients of a proxy that splits three, and some.
const wanted = 32768

// allowFiles raises the limit for us and our children as far as it may be raised, and
// returns it.
func allowFiles() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("look how many files may be open: %w", err)
	}
	higher := syscall.Rlimit{Cur: max(wanted, limit.Max), Max: max(wanted, limit.Max)}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &higher) == nil {
		return int(min(higher.Cur, 1<<20)), nil
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("allow %d open files: %w", limit.Max, err)
	}
	return int(limit.Cur), nil
}

// openFiles is how many files a process has open.
func openFiles(pid int) (int, error) {
	all, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(all), err
}
