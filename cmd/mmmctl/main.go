// Command mmmctl is the operator's tool for a cluster: it shows how the cluster
// is, sets modes and hosts, orders switchovers and stores the cluster file.
// Called as mmm_control it answers the commands of mysql-mmm in its words.
//
// This package owns the words of the command line, the environment and the
// terminal. What the commands do is in internal/ctl. It starts one goroutine
// per etcd member while it counts them, and waits for all of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mmm-ha/mmm/internal/ctl"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, world{
		args: os.Args, in: os.Stdin, out: os.Stdout, err: os.Stderr,
		getenv: os.Getenv, terminal: isTerminal(os.Stdin), who: who(), open: openEtcd,
	})
	stop()
	os.Exit(int(code))
}

// world is everything outside that a command line depends on.
type world struct {
	args     []string
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	terminal bool   // a person can be asked on in
	who      string // user@host
	open     opener
}

// run carries out one command line and returns its exit code.
func run(ctx context.Context, w world) ctl.Exit {
	if strings.TrimSuffix(filepath.Base(w.args[0]), ".exe") == "mmm_control" {
		return runControl(ctx, w)
	}
	a := &app{world: w}
	defer a.close()
	root := a.root() //nolint:contextcheck // cobra hands the context to each command
	root.SetArgs(w.args[1:])
	root.SetIn(w.in)
	root.SetOut(w.out)
	root.SetErr(w.err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ctl.ExitOK
	}
	if text := ctl.Describe(err); text != "" {
		fmt.Fprintf(w.err, "mmmctl: %s\n", text)
	}
	var coded *ctl.Error
	if !a.started && !errors.As(err, &coded) {
		fmt.Fprintln(w.err, "`mmmctl --help` lists the commands, `mmmctl COMMAND --help` explains one")
		return ctl.ExitUsage
	}
	return ctl.ExitOf(err)
}

// runControl is mmm_control: [@cluster] command words.
func runControl(ctx context.Context, w world) ctl.Exit {
	a := &app{world: w}
	defer a.close()
	args := w.args[1:]
	if len(args) > 0 && strings.HasPrefix(args[0], "@") {
		a.flags.Cluster = strings.TrimPrefix(args[0], "@")
		args = args[1:]
	}
	c, err := a.connect(nil)
	if err == nil {
		err = c.Control(ctx, args)
	} else {
		fmt.Fprintf(w.out, "ERROR: %s\n", ctl.Describe(err))
	}
	return ctl.ExitOf(err)
}

// isTerminal reports whether a person may sit behind the file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	// /dev/null is a character device too, and nobody answers there.
	null, err := os.Stat(os.DevNull)
	return err == nil && !os.SameFile(info, null)
}

// who names the person who asks, also behind sudo.
func who() string {
	name := os.Getenv("SUDO_USER")
	if u, err := user.Current(); name == "" && err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
