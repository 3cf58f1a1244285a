package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// roleEnv tells a re-executed binary what it is; it is unset at once so that no
// grandchild inherits the role.
const (
	roleEnv    = "MMM_LAB_ROLE"
	roleWorld  = "world"
	roleHost   = "host"
	insideEnv  = "MMM_LAB_WORLD" // set for everything inside a world
	initFailed = 70              // exit code of a world or host that could not be set up
)

// Main must be the first statement of main, or of TestMain, in every binary
// that makes beds: worlds and the inits of hosts are this very binary, started
// again. In such a process Main sets up the world and returns, or is the init
// and never returns. In an ordinary process it returns at once.
func Main() {
	role := os.Getenv(roleEnv)
	_ = os.Unsetenv(roleEnv)
	switch role {
	case roleWorld:
		if err := enterWorld(); err != nil {
			fmt.Fprintln(os.Stderr, "set up world:", err)
			os.Exit(initFailed)
		}
	case roleHost:
		if err := hostMain(); err != nil {
			fmt.Fprintln(os.Stderr, "run host:", err)
			os.Exit(initFailed)
		}
		os.Exit(0)
	}
}

// InWorld reports whether this process is pid 1 of a world, where New works.
func InWorld() bool { return os.Getpid() == 1 && os.Getenv(insideEnv) != "" }

// World returns a command that runs this binary again, with args, as pid 1 of a
// new world. When that process ends, everything in the world ends with it. It
// needs root.
func World(args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary: %w", err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), roleEnv+"="+roleWorld, insideEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	return cmd, nil
}

func enterWorld() error {
	if err := privateMounts(); err != nil {
		return err
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// privateMounts cuts this mount namespace off from its parent and gives it the
// /proc of this pid namespace.
func privateMounts() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	return nil
}

// Tests is what RunTests needs of *testing.M.
type Tests interface{ Run() int }

// RunTests is the body of TestMain: it runs the tests inside a world, with an
// empty tmpfs on /dev/shm that ends with it, and returns the exit code. Without
// root the tests run outside; those that call Require are skipped there.
func RunTests(m Tests) int {
	Main()
	if InWorld() {
		if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777"); err != nil {
			fmt.Fprintln(os.Stderr, "mount /dev/shm:", err)
			return initFailed
		}
		return m.Run()
	}
	if os.Geteuid() != 0 {
		return m.Run()
	}
	code, err := runWorld(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "run tests in a world:", err)
		return initFailed
	}
	return code
}

// runWorld runs this binary in a world that dies with this process and returns its exit code.
func runWorld(args []string) (int, error) {
	cmd, err := World(args...)
	if err != nil {
		return 0, err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The death signal is bound to the thread that starts the child, not to the
	// process: that thread must live as long as the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start world: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGQUIT)
	defer signal.Stop(signals)
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case s := <-signals:
			_ = cmd.Process.Signal(s)
		case err := <-done:
			var exit *exec.ExitError
			if errors.As(err, &exit) && exit.Exited() {
				return exit.ExitCode(), nil
			}
			return cmd.ProcessState.ExitCode(), err
		}
	}
}
