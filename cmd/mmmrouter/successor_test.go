package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router"
)

// The test binary is also the program that tests start; this says what it shall be.
const partVariable = "MMM_TEST_PART"

func TestMain(m *testing.M) {
	part := os.Getenv(partVariable)
	if part == "" {
		os.Exit(m.Run())
	}
	time.AfterFunc(time.Minute, func() { os.Exit(9) }) // nothing outlives a test that was killed
	switch part {
	case "serves":
		announce()
		time.Sleep(time.Hour)
	case "hangs":
		time.Sleep(time.Hour)
	case "ends":
		os.Exit(7)
	case "router":
		if err := runPart(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(0)
}

// runPart is mmmrouter run with a conversation that says which process it is.
func runPart() error {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	return run(ctx, os.Getenv("MMM_TEST_CONFIG"), log, func(_ context.Context, cfg router.Config, log *slog.Logger) (router.Options, error) {
		return router.Options{Config: cfg, Log: log, Conversation: sayPid{}}, nil
	})
}

type sayPid struct{}

func (sayPid) Open(c *net.TCPConn, _ router.ClientInfo) router.Session { return pidSession{c} }

type pidSession struct{ c *net.TCPConn }

func (s pidSession) Serve(context.Context) error {
	defer s.c.Close()
	_, err := fmt.Fprintf(s.c, "%d\n", os.Getpid())
	return err
}

func (pidSession) State() router.State                        { return router.State{Phase: router.Idle, Since: time.Now()} }
func (pidSession) KillQuery(context.Context, time.Time) error { return nil }
func (pidSession) Drain(*router.Refusal)                      {}
func (s pidSession) Close(*router.Refusal)                    { s.c.Close() }

func part(name string) []string { return append(os.Environ(), partVariable+"="+name) }

func TestASuccessorIsBelievedWhenItSaysThatItServes(t *testing.T) {
	p, err := startSuccessor(t.Context(), os.Args[0], nil, part("serves"))
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Kill()
	_, _ = p.Wait()
}

func TestASuccessorThatDoesNotServeIsNone(t *testing.T) {
	if _, err := startSuccessor(t.Context(), os.Args[0], nil, part("ends")); err == nil || !strings.Contains(err.Error(), "exit status 7") {
		t.Errorf("one that ends: %v", err)
	}
	if _, err := startSuccessor(t.Context(), "/nowhere/mmmrouter", nil, nil); err == nil {
		t.Error("one without a binary serves")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := startSuccessor(ctx, os.Args[0], nil, part("hangs")); err == nil || !strings.Contains(err.Error(), "did not serve") {
		t.Errorf("one that hangs: %v", err)
	}
}

func TestTheSuccessorFeedsTheWatchdogItself(t *testing.T) {
	env := successorEnv([]string{"A=1", "WATCHDOG_PID=7", "WATCHDOG_USEC=1000"})
	if got := strings.Join(env, " "); got != "A=1 WATCHDOG_USEC=1000" {
		t.Error(got)
	}
}

// whoAnswers is the process that serves an address; 0 and why when nobody does.
func whoAnswers(address string) (int, error) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// freePort is a port that nobody listens on at this moment.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// told is a socket that hears what is said to systemd.
func told(t *testing.T) (path string, heard func(what string)) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return path, func(what string) {
		t.Helper()
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 4096)
		for {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("systemd was not told %s: %v", what, err)
			}
			if strings.Contains(string(buf[:n]), what) {
				return
			}
		}
	}
}

func TestARouterHandsOverToANewProcessAndNobodyIsRefused(t *testing.T) {
	address := freePort(t)
	notify, heard := told(t)
	config := file(t, "mmmrouter.yaml", "cluster: shop\nadmin: "+freePort(t)+"\nlisteners: [{address: \""+address+"\"}]\n")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(part("router"), "MMM_TEST_CONFIG="+config, "NOTIFY_SOCKET="+notify)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	heard("READY=1")
	if pid, err := whoAnswers(address); err != nil || pid != cmd.Process.Pid {
		t.Fatalf("process %d answers, %v; %d was started", pid, err, cmd.Process.Pid)
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	heard("RELOADING=1")
	if err := cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	next, asked, err := 0, 0, error(nil)
	for ended := false; !ended; asked++ {
		select {
		case err := <-gone:
			if err != nil {
				t.Errorf("the first router ended with %v", err)
			}
			ended = true
		default:
		}
		if next, err = whoAnswers(address); err != nil {
			t.Fatalf("after %d clients: %v", asked, err)
		}
	}
	if next == cmd.Process.Pid {
		t.Fatal("a process that has ended answers")
	}
	defer func() { _ = syscall.Kill(next, syscall.SIGKILL) }()
	heard("MAINPID=" + strconv.Itoa(next))
	t.Logf("%d clients, none refused", asked)
}

// The unit is what is shipped; its binary is not installed where tests run.
func TestTheUnitIsOneThatSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("MMM_REQUIRE") != "" {
			t.Fatal("systemd-analyze is not installed: it is in the package systemd")
		}
		t.Skip("SKIPPED, NOTHING PROVEN: systemd-analyze is not installed")
	}
	text, err := os.ReadFile("../../scripts/systemd/mmmrouter.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := file(t, "mmmrouter.service", strings.ReplaceAll(string(text), "/usr/bin/mmmrouter", os.Args[0]))
	if out, err := exec.Command(analyze, "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold=15", unit).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
