package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/demo"
	"github.com/mmm-ha/mmm/chaos/lab"
)

// tale is a long piece of work that the holder does on a bed of its own, line
// by line for whoever asked.
type tale struct {
	bed  func(*lab.Options) // what is special about its bed; nil: nothing
	tell func(ctx context.Context, bed *lab.Bed, arguments string, say func(string)) error
}

// tales are the verbs that take a holder without a bed. Their Args are: the
// word keep or end, and what the tale itself wants to know.
var tales = map[string]tale{
	"demo":  {bed: func(o *lab.Options) { o.Hosts = demo.Hosts() }, tell: tellDemo},
	"bench": benchTale, "bench-routed": benchRoutedTale,
	"chaos": chaosTale, "chaos-routers": chaosRoutedTale,
}

// keepBed, as the first argument of a tale, leaves the bed up at its end.
const keepBed = "keep"

// tell makes the bed, tells the tale and, unless the bed is to be kept, ends
// the holder. It does so as well when whoever asked has gone away.
func (h *holder) tell(ctx context.Context, t tale, o order, say func(string)) error {
	keep := len(o.Args) == 2 && o.Args[0] == keepBed
	defer func() {
		if !keep || ctx.Err() != nil || h.bed == nil {
			h.end()
		}
	}()
	if len(o.Args) != 2 {
		return fmt.Errorf("%s: wrong arguments %q", o.Verb, o.Args)
	}
	h.mu.Lock()
	if t.bed != nil {
		t.bed(&h.options)
	}
	err := h.up(ctx, func(s string) { say("   " + s) })
	h.mu.Unlock()
	if err != nil {
		return err
	}
	return t.tell(ctx, h.bed, o.Args[1], say)
}

// performance is a tale seen from the terminal.
type performance struct {
	verb    string
	options lab.Options
	keep    bool
	say     func(string)
}

// perform starts a holder, lets it tell the tale, and ends it unless it is to be
// kept. After an error the logs stay in the work directory.
func perform(ctx context.Context, p performance, arguments any) error {
	if os.Geteuid() != 0 {
		return errors.New("the bed needs root: network namespaces and packet filters; run it with sudo")
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	text, err := json.Marshal(arguments)
	if err != nil {
		return fmt.Errorf("%s: %w", p.verb, err)
	}
	work := p.options.Work
	if err := clearDead(work); err != nil {
		return err
	}
	r, err := startHolder(p.options, false)
	if err != nil {
		return err
	}
	word := "end"
	if p.keep {
		word = keepBed
	}
	err = awaitSocket(ctx, work, r)
	if err == nil {
		_, err = ask(ctx, work, order{Verb: p.verb, Args: []string{word, string(text)}}, p.say)
	}
	switch {
	case ctx.Err() != nil:
		return errors.Join(fmt.Errorf("%s was interrupted; nothing of it is left", p.verb), r.end(), removeAll(work))
	case err != nil && p.keep:
		return fmt.Errorf("%w\nthe logs are in %s; if the bed came up it still runs: mmmlab status, mmmlab down", err, filepath.Join(work, "log"))
	case err != nil:
		return errors.Join(fmt.Errorf("%w\nthe bed is gone, its logs are in %s", err, filepath.Join(work, "log")), r.end())
	case p.keep:
		return nil
	}
	return errors.Join(r.end(), removeAll(work))
}

// demoSettings travel to the holder.
type demoSettings struct {
	Color bool      `json:"color"`
	Began time.Time `json:"began"`
}

func tellDemo(ctx context.Context, bed *lab.Bed, arguments string, say func(string)) error {
	var set demoSettings
	if err := json.Unmarshal([]byte(arguments), &set); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	return demo.Run(ctx, demo.Options{Bed: bed, Print: say, Color: set.Color, Began: set.Began})
}

func newDemo() *cobra.Command {
	o := lab.Options{AutoSetOnline: demo.AutoSetOnline, Parts: lab.All}
	var keep, noColor bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Tell the whole story on four real servers and two routers, every acknowledged write checked",
		Long: `Make a bed, tell on it what a cluster of four servers and two routers without a
monitor does when the writer crashes, comes back, is shut down and is moved by plan,
and when a router dies, and check each step from outside. An application reads and
writes through the router VIP all the time; at the end every acknowledged row is
looked for on every server.

The exit code is 0 only if everything was so. It takes about a minute, needs root,
and leaves nothing, unless --keep leaves the bed running to look around in.`,
		Example: `  mmmlab demo
  mmmlab demo --keep && mmmlab ctl show && mmmlab down`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.BinDir, "bin", ownDir(), "directory of mmmagent, mmmctl and mmmrouter")
	f.StringVar(&o.Profile, "profile", "fast", "timing profile: fast (lease 1 s) or lan (2 s)")
	f.BoolVar(&keep, "keep", false, "leave the bed running")
	f.BoolVar(&noColor, "no-color", false, "plain lines, as when the output is no terminal")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		began := time.Now()
		var err error
		if o.Work, err = workDir(cmd); err != nil {
			return err
		}
		if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
			return fmt.Errorf("find binaries: %w", err)
		}
		out := cmd.OutOrStdout()
		say := func(line string) { fmt.Fprintln(out, line) }
		color := !noColor && wantsColor(os.Stdout)
		say("0. Machines, network, servers: all on this machine, in namespaces of their own")
		if err := perform(cmd.Context(), performance{"demo", o, keep, say}, demoSettings{color, began}); err != nil {
			return err
		}
		fmt.Fprintf(out, "   %.0f seconds in all.\n", time.Since(began).Seconds())
		if keep {
			fmt.Fprint(out, lookIn(o.Work, cmd.Flags().Changed("work")))
		}
		return nil
	}
	return cmd
}

// wantsColor reports whether the file is a terminal whose user has nothing
// against colours (https://no-color.org).
func wantsColor(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// lookIn says how to look around in a bed that was left running.
func lookIn(work string, elsewhere bool) string {
	me, err := os.Executable()
	if err != nil {
		me = "mmmlab"
	}
	if here, err := os.Getwd(); err == nil {
		if short, err := filepath.Rel(here, me); err == nil && !strings.HasPrefix(short, "..") {
			me = "./" + short
		}
	}
	env := ""
	if elsewhere {
		env = "export MMMLAB_WORK=" + work + "\n  "
	}
	return fmt.Sprintf(`
The cluster still runs. Look in:
  %[1]s%[2]s ctl show            (any command of mmmctl: ctl -- --help)
  %[2]s exec client -- mariadb -h %[3]s -u %[4]s -p%[5]s %[6]s
  %[2]s exec client -- etcdctl --endpoints http://192.0.2.164:2379 get --prefix /mmm/shop/
  %[2]s exec db1 -- ip addr      (any command on any host)
  %[2]s status                   (the bed as the kernel has it)
Logs of all programs: %[7]s
Do something to it; the folder chaos/ has one script per fault:
  MMMLAB=%[2]s chaos/kill-mysqld db1
End it:
  make demo-down, or %[2]s down
`, env, me, "192.0.2.170", lab.AppUser, lab.AppPassword, lab.AppDatabase, filepath.Join(work, "log"))
}
