package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/lab"
)

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what runs on each host, its addresses and the cuts",
		Long: `Show the bed as the kernel has it: what runs on each host, its addresses, the
cuts. What the cluster thinks of itself is another matter: mmmlab ctl show.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, _, err := statusOf(cmd)
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				return out.Encode(s)
			}
			return printStatus(cmd.OutOrStdout(), s)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// statusOf asks the holder for the state of the bed and returns who it is.
func statusOf(cmd *cobra.Command) (lab.Status, record, error) {
	work, err := workDir(cmd)
	if err != nil {
		return lab.Status{}, record{}, err
	}
	r, err := ask(cmd.Context(), work, order{Verb: "status"}, nil)
	if err != nil {
		return lab.Status{}, record{}, err
	}
	holder, err := loadRecord(work)
	return *r.Status, holder, err
}

func printStatus(out io.Writer, s lab.Status) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "HOST\tPOWER\tPROGRAMS\tADDRESSES")
	for _, h := range s.Hosts {
		power := "on"
		switch {
		case !h.Up:
			power = "off"
		case h.Frozen:
			power = "frozen"
		case !h.Cable:
			power = "on, no cable"
		}
		var units []string
		for _, u := range h.Units {
			units = append(units, unitText(u))
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", h.Name, power, strings.Join(units, ", "), strings.Join(h.Addresses, " "))
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	for _, c := range s.Cuts {
		if _, err := fmt.Fprintln(out, "cut:", c); err != nil {
			return fmt.Errorf("print status: %w", err)
		}
	}
	_, err := fmt.Fprintln(out, "files and logs:", s.Work)
	return err
}

func unitText(u lab.UnitStatus) string {
	s := u.Name
	switch {
	case u.PID == 0 && u.Held:
		s += " down (" + u.LastEnd + ")"
	case u.PID == 0:
		s += " restarting (" + u.LastEnd + ")"
	case u.Frozen:
		s += " frozen"
	}
	if u.Restarts > 0 {
		s += fmt.Sprintf(" [%d restarts]", u.Restarts)
	}
	return s
}

func newExec() *cobra.Command {
	return &cobra.Command{
		Use:   "exec HOST -- COMMAND [ARG ...]",
		Short: "Run a command on a host, with this terminal",
		Long: `Run a command as if logged in on a host: its network, its processes. The exit
code is that of the command.`,
		Example: `  mmmlab exec client -- mariadb -h 192.0.2.113 -u ` + lab.AppUser + ` -p` + lab.AppPassword + ` ` + lab.AppDatabase + `
  mmmlab exec db1 -- ip addr
  mmmlab exec db1 -- nft list ruleset`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, holder, err := statusOf(cmd)
			if err != nil {
				return err
			}
			return enter(s, holder, args[0], args[1:])
		},
	}
}

func newCtl() *cobra.Command {
	return &cobra.Command{
		Use:   "ctl -- ARGUMENTS OF MMMCTL",
		Short: "Run mmmctl on the client host, with the endpoints of the bed",
		Example: `  mmmlab ctl show
  mmmlab ctl -- checks all`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, holder, err := statusOf(cmd)
			if err != nil {
				return err
			}
			return enter(s, holder, lab.ClientHost, append(s.Ctl, args...))
		},
	}
}

// enter replaces this process by a command on a host: first into the holder's
// world, where the pid of the host's init means something, then into the host.
func enter(s lab.Status, holder record, host string, argv []string) error {
	for _, h := range s.Hosts {
		if h.Name != host {
			continue
		}
		if !h.Up {
			return fmt.Errorf("%s: %w", host, lab.ErrDown)
		}
		nsenter, err := exec.LookPath("nsenter")
		if err != nil {
			return fmt.Errorf("enter %s: %w", host, err)
		}
		line := append([]string{"nsenter", "-t", strconv.Itoa(holder.PID), "-m", "-p", "--"}, lab.EnterHost(h.Init)...)
		return syscall.Exec(nsenter, append(line, argv...), os.Environ())
	}
	return fmt.Errorf("there is no host %q on this bed", host)
}
