package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/internal/daemon"
)

// A router that is told to (SIGUSR2) starts another one, of the binary that stands
// at its path now, waits until that serves, and drains. Both listen on the same
// addresses meanwhile, so no client is refused.

const (
	// readyVariable names the file descriptor on which a successor says that it serves.
	readyVariable = "MMM_ROUTER_READY_FD"
	// readyFD is the first after the standard ones.
	readyFD = 3
	// successorLimit is how long a successor may take to serve.
	successorLimit = 30 * time.Second
)

// binary is the path of the running program; it is asked for at the start, because
// the kernel knows a replaced file by another name.
func binary() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the own binary: %w", err)
	}
	return path, nil
}

// startSuccessor starts a program that says when it serves, and waits for that. It
// returns its process, which is left running. The error says why there is none;
// then nothing is left running.
func startSuccessor(ctx context.Context, path string, args, env []string) (*os.Process, error) {
	ready, say, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start a successor: %w", err)
	}
	defer func() { _ = ready.Close() }()
	cmd := exec.Command(path, args...) //nolint:gosec // our own binary, with our own arguments
	cmd.Env = append(env, readyVariable+"="+strconv.Itoa(readyFD))
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, []*os.File{say}
	err = cmd.Start()
	_ = say.Close() // the successor has its own
	if err != nil {
		return nil, fmt.Errorf("start a successor: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, successorLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = ready.SetReadDeadline(time.Now()) })
	defer stop()
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		_ = cmd.Process.Kill()
		ended := cmd.Wait()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("start a successor: it ended before it served: %w", ended)
		}
		return nil, fmt.Errorf("start a successor: it did not serve within %s", successorLimit)
	}
	return cmd.Process, nil
}

// announce says to whoever waits that this process serves: systemd, and the router
// that has started this one.
func announce() {
	if fd, err := strconv.Atoi(os.Getenv(readyVariable)); err == nil {
		f := os.NewFile(uintptr(fd), "ready")
		_, _ = f.Write([]byte("."))
		_ = f.Close()
		_ = os.Unsetenv(readyVariable)
	}
	daemon.Notify(daemon.Ready)
}

// handOver starts a successor, tells systemd that it is the service now, and stops
// this router. Without a successor the router goes on.
func handOver(ctx context.Context, path string, stop context.CancelFunc, log *slog.Logger) {
	log.Info("starting a successor", "path", path)
	next, err := startSuccessor(ctx, path, os.Args[1:], successorEnv(os.Environ()))
	if err != nil {
		log.Error("there is no successor: the router goes on", "err", err)
		return
	}
	log.Info("the successor serves; this router drains", "pid", next.Pid)
	daemon.Notify(fmt.Sprintf("MAINPID=%d\n%s", next.Pid, daemon.Ready))
	if err := next.Release(); err != nil {
		log.Debug("the successor is not let go", "err", err)
	}
	stop()
}

// successorEnv is the environment without the word of systemd that it is this
// process that feeds the watchdog.
func successorEnv(env []string) []string {
	return slices.DeleteFunc(env, func(one string) bool { return strings.HasPrefix(one, "WATCHDOG_PID=") })
}
