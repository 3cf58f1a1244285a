package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/tally"
)

// askLimit bounds a question to the router of this host.
const askLimit = 5 * time.Second

// asker puts questions to a running router. Its pages say everything; the commands
// say it in words.
type asker struct{ admin string }

// define adds the flag that says where the router is.
func (a *asker) define(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.admin, "admin", "", "`ADDRESS:PORT` of the router's pages (default: that of its file)")
}

// url is a page of the router.
func (a *asker) url(cmd *cobra.Command, page string) (string, error) {
	address := a.admin
	if address == "" {
		cfg, err := router.ReadConfig(configPath(cmd))
		if err != nil {
			return "", err
		}
		address = cfg.Admin
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return "", fmt.Errorf("--admin %s: write ADDRESS:PORT", address)
	}
	if to.Addr().IsUnspecified() {
		to = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), to.Port())
	}
	return "http://" + to.String() + page, nil
}

// open asks for a page. Close what it returns.
func (a *asker) open(ctx context.Context, cmd *cobra.Command, page string) (io.ReadCloser, error) {
	url, err := a.url(cmd, page)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the router: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no router answers on %s: is it running? (systemctl status mmmrouter)", req.URL.Host)
	case err != nil:
		return nil, fmt.Errorf("ask the router: %w", err)
	case res.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1024)) // it goes into an error
		_ = res.Body.Close()
		return nil, fmt.Errorf("ask the router: %s: %s", res.Status, strings.TrimSpace(string(text)))
	}
	return res.Body, nil
}

// read asks for a page and reads its JSON into a value; raw prints it as it is.
func (a *asker) read(cmd *cobra.Command, page string, raw bool, into any) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), askLimit)
	defer cancel()
	body, err := a.open(ctx, cmd, page)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }()
	if raw {
		_, err := io.Copy(cmd.OutOrStdout(), body)
		return err
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("read the router's answer: %w", err)
	}
	return nil
}

func newStatusCommand() *cobra.Command {
	var a asker
	var raw bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say how the running router is and what it knows",
		Long: `Say how the running router of this host is: whether clients should be sent to it,
who the writer is and how long that is certain, which readers it uses and why not
the others, and what its clients do. Ends with 1 when it is not ready.`,
		Example: "  mmmrouter status\n  mmmrouter status --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var s router.Status
			if err := a.read(cmd, "/status", raw, &s); err != nil || raw {
				return err
			}
			if err := sayStatus(cmd.OutOrStdout(), s, time.Now()); err != nil {
				return err
			}
			if !s.Ready {
				return fmt.Errorf("the router is not ready: %s", s.Why)
			}
			return nil
		},
	}
	a.define(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print the JSON of /status")
	return cmd
}

func sayStatus(out io.Writer, s router.Status, now time.Time) error {
	state := "ready"
	switch {
	case s.Leaving:
		state = "draining"
	case !s.Ready:
		state = "NOT READY: " + s.Why
	}
	fmt.Fprintf(out, "router %s of cluster %s: %s, running for %s\n\n", s.Router, s.Cluster, state, now.Sub(s.Began).Round(time.Second))
	sayWriter(out, s.View)
	if err := sayReaders(out, s.View.Readers); err != nil {
		return err
	}
	sayAccounts(out, s.Accounts, now)
	c := s.Sessions
	fmt.Fprintf(out, "clients   %d connected, %d of %d logged in, %d wait for a place; %d run a statement, %d are in a transaction, %d are tied to the writer\n",
		c.Connected, c.LoggedIn, c.Limit, c.Waiting, c.Running, c.InTransaction, c.Pinned)
	for _, t := range tally.Targets() {
		of := s.Answered[t.String()]
		if of.Statements > 0 {
			fmt.Fprintf(out, "answered  by the %-6s  %d statements, %d errors, %s each\n", t, of.Statements, of.Errors, each(of))
		}
	}
	fmt.Fprintf(out, "          %d waited for a writer, %d were refused by a reader and answered by the writer; %d times a read was sent again because its server went away\n",
		s.Held, s.Retried, s.Rereads)
	return nil
}

func sayAccounts(out io.Writer, a router.Accounts, now time.Time) {
	fmt.Fprintf(out, "users     %d known", a.Known)
	if !a.Read.IsZero() {
		fmt.Fprintf(out, ", those of the servers as of %s ago", now.Sub(a.Read).Round(time.Second))
	}
	if fmt.Fprintln(out); a.Problem != "" {
		fmt.Fprintf(out, "          %s\n", a.Problem)
	}
}

func each(c router.TargetCount) time.Duration {
	return time.Duration(c.Seconds / float64(c.Statements) * float64(time.Second)).Round(time.Microsecond)
}

func sayWriter(out io.Writer, v router.Cluster) {
	switch {
	case v.Writer == "":
		fmt.Fprintf(out, "writer    none (epoch %d)", v.Epoch)
	case v.Fresh:
		fmt.Fprintf(out, "writer    %s at %s, epoch %d, certain for %s", v.Writer, v.Address, v.Epoch, v.FreshFor.Round(time.Millisecond))
	default:
		fmt.Fprintf(out, "writer    %s at %s, epoch %d, but that is not certain any more: writes wait", v.Writer, v.Address, v.Epoch)
	}
	if v.Held {
		fmt.Fprint(out, "; a switchover is asked for")
	}
	if v.HeldStatements > 0 {
		fmt.Fprintf(out, "; %d statements wait (%d bytes)", v.HeldStatements, v.HeldBytes)
	}
	fmt.Fprintln(out)
	if v.Problem != "" {
		fmt.Fprintf(out, "          %s\n", v.Problem)
	}
}

func sayReaders(out io.Writer, readers []router.ReaderState) error {
	if len(readers) == 0 {
		fmt.Fprintln(out, "readers   none")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i, r := range readers {
		head := "readers"
		if i > 0 {
			head = ""
		}
		state := fmt.Sprintf("lag %s\tanswers in %s\t%d at work", r.Lag.Round(time.Millisecond), r.Latency.Round(time.Microsecond), r.InFlight)
		if r.Aside > 0 {
			state += fmt.Sprintf("\tleft alone for %s: connections to it failed", r.Aside.Round(100*time.Millisecond))
		}
		if !r.Eligible {
			state = "not used: " + r.Why
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", head, r.Host, r.Address, state)
	}
	return table.Flush()
}

func newSessionsCommand() *cobra.Command {
	var a asker
	var raw bool
	cmd := &cobra.Command{
		Use:   "sessions",
		Short: "List the clients of the running router",
		Long: `List the clients of the running router of this host, oldest first: their ids, which
KILL takes through the router, where they come from, what they do and for how long.`,
		Example: "  mmmrouter sessions\n  mmmrouter sessions --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []router.SessionStatus
			if err := a.read(cmd, "/sessions", raw, &all); err != nil || raw {
				return err
			}
			return saySessions(cmd.OutOrStdout(), all, time.Now())
		},
	}
	a.define(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print the JSON of /sessions")
	return cmd
}

func saySessions(out io.Writer, all []router.SessionStatus, now time.Time) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tUSER\tCLIENT\tMODE\tDOES\tFOR\tWRITER\tREADER\tSTATEMENTS\tTIED BY")
	for _, s := range all {
		does := s.Phase.String()
		if s.InTransaction {
			does += ", in a transaction"
		}
		client := s.Client.String()
		if s.Via != "" {
			client += " via " + s.Via
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", s.ID, dash(s.User), client, s.Mode, does,
			now.Sub(s.Since).Round(time.Second), dash(s.Writer), dash(s.Reader), s.Statements, dash(strings.Join(s.Pins, " ")))
	}
	return table.Flush()
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func newDigestsCommand() *cobra.Command {
	var a asker
	var raw bool
	var most int
	cmd := &cobra.Command{
		Use:   "digests",
		Short: "List the kinds of statements that took most time",
		Long: `List the kinds of statements that the running router has seen, those that took most
time in all first. Statements are of one kind when they differ in literals only.`,
		Example: "  mmmrouter digests --top 10",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all []tally.Digest
			if err := a.read(cmd, "/digests", raw, &all); err != nil || raw {
				return err
			}
			return sayDigests(cmd.OutOrStdout(), all[:min(most, len(all))])
		},
	}
	a.define(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print the JSON of /digests")
	cmd.Flags().IntVar(&most, "top", 20, "how many")
	return cmd
}

func sayDigests(out io.Writer, all []tally.Digest) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "COUNT\tERRORS\tBY READERS\tEACH\tLONGEST\tSTATEMENT")
	for _, d := range all {
		_, _ = fmt.Fprintf(table, "%d\t%d\t%d%%\t%s\t%s\t%s\n", d.Count, d.Errors, 100*d.ToReader/max(d.Count, 1),
			(d.Sum / time.Duration(max(d.Count, 1))).Round(time.Microsecond), d.Max.Round(time.Microsecond), dash(d.Text))
	}
	return table.Flush()
}

func newTraceCommand() *cobra.Command {
	var a asker
	var raw bool
	var session uint32
	cmd := &cobra.Command{
		Use:   "trace",
		Short: "Show each statement as it ends: where it went, and why",
		Long: `Show each statement that the running router answers from now on: where it went, why,
and how long it took, until Ctrl-C, at most ten minutes. Statements are shown without
their literals, unless the file says trace: {literals: true}.`,
		Example: "  mmmrouter trace\n  mmmrouter trace --session 4711",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			page := "/trace"
			if session != 0 {
				page = fmt.Sprintf("/trace?session=%d", session)
			}
			body, err := a.open(cmd.Context(), cmd, page)
			if err != nil {
				return err
			}
			defer func() { _ = body.Close() }()
			return keepUp(cmd.OutOrStdout(), body, raw)
		},
	}
	a.define(cmd)
	cmd.Flags().BoolVar(&raw, "json", false, "print the lines of JSON")
	cmd.Flags().Uint32Var(&session, "session", 0, "of this session only")
	return cmd
}

// longestLine bounds one statement of a trace.
const longestLine = 64 << 20

func keepUp(out io.Writer, body io.Reader, raw bool) error {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if raw {
			fmt.Fprintln(out, lines.Text())
			continue
		}
		var t tally.Traced
		if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
			return fmt.Errorf("read the trace: %w", err)
		}
		sayTraced(out, t)
	}
	if errors.Is(lines.Err(), io.ErrUnexpectedEOF) {
		return errors.New("the router that was looked at has ended")
	}
	if err := lines.Err(); err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("read the trace: %w", err)
	}
	return nil
}

func sayTraced(out io.Writer, t tally.Traced) {
	to := t.Target.String()
	if t.Host != "" {
		to += " " + t.Host
	}
	ended := ""
	if t.Code != 0 {
		ended = fmt.Sprintf(" error %d", t.Code)
	}
	fmt.Fprintf(out, "%s %d %s -> %s %s%s (%s)\n    %s\n", t.Time.Format("15:04:05.000"), t.Session, t.User, to, t.Took.Round(time.Microsecond), ended, t.Why, t.SQL)
}
