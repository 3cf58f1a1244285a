package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/router"
	"github.com/mmm-ha/mmm/router/lexer"
	"github.com/mmm-ha/mmm/router/route"
)

func newRouteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "route",
		Short: "Ask where statements go",
		Long: `Ask where statements go, without a server and without a running router: what decides
is the text of a statement and what its session is in.`,
		Example: `  mmmrouter route explain 'SELECT * FROM t FOR UPDATE'`,
	}
	cmd.AddCommand(newExplainCommand())
	return cmd
}

// situation is what a session is in, as flags say it.
type situation struct {
	mode          string
	inTransaction bool
	readOnly      bool
	autocommitOff bool
	serializable  bool
	pinned        bool
	ansiQuotes    bool
	noBackslash   bool
}

func newExplainCommand() *cobra.Command {
	var s situation
	cmd := &cobra.Command{
		Use:   "explain 'SQL'",
		Short: "Say where a statement goes, and why",
		Long: `Say where a statement goes and why, in a session that just began, or in one that the
flags describe. It decides as a running router does.`,
		Example: `  mmmrouter route explain 'SELECT a FROM t'
  mmmrouter route explain 'SELECT a FROM t' --in-transaction
  mmmrouter route explain 'SELECT GET_LOCK("a", 1)'`,
		Args: oneStatement,
		RunE: func(cmd *cobra.Command, args []string) error {
			session, mode, err := s.session()
			if err != nil {
				return err
			}
			sql := []byte(args[0])
			c := route.Classify(sql, mode)
			d := route.Decide(c, session)
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s\n", d.Target, d.Why)
			fmt.Fprintf(cmd.OutOrStdout(), "  rule    %s\n", c.Rule.Rule().Name)
			fmt.Fprintf(cmd.OutOrStdout(), "  kind    %s\n", lexer.Normal(sql, mode))
			if c.Pins != 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "  then    the session is tied to its connection to the writer by %s\n", strings.Join(c.Pins.Names(), ", "))
			}
			if c.Frees != 0 {
				fmt.Fprintf(cmd.OutOrStdout(), "  then    the session is no longer tied by %s\n", strings.Join(c.Frees.Names(), ", "))
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&s.mode, "mode", string(router.Split), "of the listener: split, writer or reader")
	f.BoolVar(&s.inTransaction, "in-transaction", false, "in a transaction that may write")
	f.BoolVar(&s.readOnly, "in-read-only-transaction", false, "in a transaction that only reads")
	f.BoolVar(&s.autocommitOff, "autocommit-off", false, "with autocommit = 0")
	f.BoolVar(&s.serializable, "serializable", false, "with transaction_isolation = SERIALIZABLE")
	f.BoolVar(&s.pinned, "pinned", false, "with something that exists on the writer connection only, such as a temporary table")
	f.BoolVar(&s.ansiQuotes, "ansi-quotes", false, "with ANSI_QUOTES in sql_mode")
	f.BoolVar(&s.noBackslash, "no-backslash-escapes", false, "with NO_BACKSLASH_ESCAPES in sql_mode")
	cmd.MarkFlagsMutuallyExclusive("in-transaction", "in-read-only-transaction")
	return cmd
}

// oneStatement refuses what a shell has made of a statement without quotes.
func oneStatement(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%d words instead of a statement: write it in quotes, such as mmmrouter route explain 'SELECT a FROM t'", len(args))
	}
	return nil
}

func (s situation) session() (route.Session, lexer.Mode, error) {
	r := route.Session{Autocommit: !s.autocommitOff, Strict: s.serializable}
	switch router.Mode(s.mode) {
	case router.Split:
	case router.WriterOnly:
		r.Mode = route.WriterOnly
	case router.ReaderOnly:
		r.Mode = route.ReaderOnly
	default:
		return r, 0, fmt.Errorf("--mode %s: write split, writer or reader", s.mode)
	}
	switch {
	case s.inTransaction:
		r.Transaction = route.OnWriter
	case s.readOnly:
		r.Transaction = route.OnReader
	}
	if s.pinned {
		r.Pins = route.TemporaryTables
	}
	var m lexer.Mode
	if s.ansiQuotes {
		m |= lexer.AnsiQuotes
	}
	if s.noBackslash {
		m |= lexer.NoBackslash
	}
	return r, m, nil
}
