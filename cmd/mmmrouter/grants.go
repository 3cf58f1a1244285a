package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/router"
)

func newGrantsCommand() *cobra.Command {
	var host string
	var mysql bool
	cmd := &cobra.Command{
		Use:   "grants",
		Short: "Print the SQL that makes the account of the router",
		Long: `Print the statements that make the account with which the router reads the accounts
of the servers. It may do nothing else: clients are logged in with their own names,
and their own proofs. Run them once, on the writer; replicas get them from there.`,
		Example: "  mmmrouter grants --host 192.0.2.% | mariadb",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := router.ReadConfig(configPath(cmd))
			if err != nil {
				return err
			}
			if cfg.Users.PasswordFile == "" {
				return fmt.Errorf("`users.passwordFile` is missing: write the password of %s into a file that only the router may read, and give its path", cfg.Users.Account)
			}
			password, err := conffile.Password("`users.passwordFile`", cfg.Users.PasswordFile)
			if err != nil {
				return err
			}
			statements, err := dbops.RouterGrantStatements(cfg.Users.Account, host, password, mysql)
			if err != nil {
				return err
			}
			for _, s := range statements {
				fmt.Fprintln(cmd.OutOrStdout(), s+";")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&host, "host", "%", "from where the router connects, as a pattern of SQL")
	cmd.Flags().BoolVar(&mysql, "mysql", false, "for MySQL servers; default: MariaDB")
	return cmd
}
