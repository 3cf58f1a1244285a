package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// bedFlags adds the flags of a bed and returns the function that reads them.
func bedFlags(cmd *cobra.Command) func() (lab.Options, error) {
	o := lab.Options{Keep: true} // what is kept and removed is down's affair
	var parts string
	f := cmd.Flags()
	f.StringVar(&o.BinDir, "bin", ownDir(), "directory of mmmagent and mmmctl")
	f.StringVar(&o.Profile, "profile", "fast", "timing profile: fast (lease 1 s) or lan (2 s)")
	f.DurationVar(&o.AutoSetOnline, "auto-set-online", time.Minute, "when a host that came back is trusted again")
	f.StringVar(&parts, "parts", "all", "what to start: bare, or some of mysql,etcd,agents,cluster")
	return func() (lab.Options, error) {
		var err error
		if o.Work, err = workDir(cmd); err != nil {
			return o, err
		}
		if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
			return o, fmt.Errorf("find binaries: %w", err)
		}
		o.Parts, err = lab.ParseParts(parts)
		return o, err
	}
}

func ownDir() string {
	self, err := os.Executable()
	if err != nil {
		return "."
	}
	return filepath.Dir(self)
}

func newUp() *cobra.Command {
	var keep bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Make the bed and leave it running",
		Long: `Make the bed: hosts, mysqlds, etcd members and agents; then apply the cluster
file, name db1 the first writer, and wait until every VIP answers.

It leaves one process, the holder. "mmmlab down" ends it, and everything with it.
The work directory must be absent, empty, or that of a bed whose holder is dead;
in the last case it is emptied first. When up fails, the logs stay there.`,
		Example: `  mmmlab up
  mmmlab up --work /var/tmp/bed2      a second bed, on a disk
  mmmlab up --parts mysql             only hosts and mysqlds`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "let down leave the work directory (logs, data) behind")
	read := bedFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o, err := read()
		if err != nil {
			return err
		}
		if os.Geteuid() != 0 {
			return errors.New("the bed needs root: network namespaces and packet filters; run it with sudo")
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		return up(ctx, cmd, o, keep)
	}
	return cmd
}

func up(ctx context.Context, cmd *cobra.Command, o lab.Options, keep bool) error {
	began := time.Now()
	tell := func(s string) { fmt.Fprintf(cmd.OutOrStdout(), "%6.1fs  %s\n", time.Since(began).Seconds(), s) }
	if err := clearDead(o.Work); err != nil {
		return err
	}
	r, err := startHolder(o, keep)
	if err != nil {
		return err
	}
	if err = awaitSocket(ctx, o.Work, r); err == nil {
		_, err = ask(ctx, o.Work, order{Verb: "up"}, tell)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w\nthe logs are in %s", err, filepath.Join(o.Work, "log")), r.end())
	}
	tell(fmt.Sprintf("the bed is up, holder %d; try: mmmlab status, mmmlab ctl show, mmmlab down", r.PID))
	return nil
}

// startHolder starts the holder in a new world and writes down who it is.
func startHolder(o lab.Options, keep bool) (record, error) {
	if err := os.MkdirAll(filepath.Join(o.Work, "log"), 0o755); err != nil {
		return record{}, fmt.Errorf("make work directory: %w", err)
	}
	log, err := os.OpenFile(holderLog(o.Work), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return record{}, fmt.Errorf("open log: %w", err)
	}
	defer log.Close()
	cmd, err := lab.World("hold", "--work", o.Work, "--bin", o.BinDir, "--profile", o.Profile,
		"--auto-set-online", o.AutoSetOnline.String(), "--parts", o.Parts.String())
	if err != nil {
		return record{}, fmt.Errorf("start holder: %w", err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr.Setsid = true // it outlives the terminal
	if err := cmd.Start(); err != nil {
		return record{}, fmt.Errorf("start holder: %w", err)
	}
	r, err := newRecord(cmd.Process.Pid, keep)
	if err == nil {
		err = r.save(o.Work)
	}
	if err != nil {
		return r, errors.Join(fmt.Errorf("start holder: %w", err), cmd.Process.Kill())
	}
	// Reaps it when it ends while we are there; nobody waits for this one: our
	// own end hands the holder to the system's init.
	go func() { _ = cmd.Wait() }()
	return r, nil
}

const holderListens = 10 * time.Second

// awaitSocket waits until the holder takes connections; that its socket exists
// is not enough, it is there a moment earlier.
func awaitSocket(ctx context.Context, work string, r record) error {
	ctx, cancel := context.WithTimeout(ctx, holderListens)
	defer cancel()
	var dialer net.Dialer
	for {
		if conn, err := dialer.DialContext(ctx, "unix", socketPath(work)); err == nil {
			return conn.Close()
		}
		if alive, err := r.alive(); err != nil || !alive {
			return errors.Join(fmt.Errorf("the holder ended; its log: %s", holderLog(work)), err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the holder: %w", ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// clearDead empties the work directory of a bed whose holder is dead. It
// refuses a directory with anything that is not a bed's.
func clearDead(work string) error {
	entries, err := os.ReadDir(work)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(entries) == 0 {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look into work directory: %w", err)
	}
	r, err := loadRecord(work)
	if err != nil {
		return fmt.Errorf("%s is not empty and not that of a bed; choose another with --work (%w)", work, err)
	}
	alive, err := r.alive()
	if err != nil {
		return err
	}
	if alive {
		return fmt.Errorf("a bed runs in %s already (holder %d); mmmlab down ends it, --work DIR makes another", work, r.PID)
	}
	return removeAll(work)
}

func removeAll(work string) error {
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("remove work directory: %w", err)
	}
	return nil
}

func newDown() *cobra.Command {
	return &cobra.Command{
		Use:   "down",
		Short: "End the bed and everything on it",
		Long: `End the holder, by its pid and only if it is still the process that up started.
With it everything on the bed ends. The work directory is removed, unless up was
told to keep it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			work, err := workDir(cmd)
			if err != nil {
				return err
			}
			r, err := loadRecord(work)
			if errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s: %w", work, errNoBed)
			}
			if err != nil {
				return err
			}
			if err := r.end(); err != nil {
				return err
			}
			if r.Keep {
				fmt.Fprintf(cmd.OutOrStdout(), "the bed is gone; its files stay in %s\n", work)
				return errors.Join(os.Remove(recordPath(work)), ignoreAbsent(os.Remove(socketPath(work))))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the bed is gone")
			return removeAll(work)
		},
	}
}

func ignoreAbsent(err error) error {
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

func holderLog(work string) string { return filepath.Join(work, "log", "holder.log") }

func joinArgs(args []string) string { return strings.Join(args, " ") }
