package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/dbops"
)

func newPrestartCommand() *cobra.Command {
	var datadir string
	cmd := &cobra.Command{
		Use:   "prestart",
		Short: "Keep what a crashed mysqld may be about to throw away",
		Long: `Run by the supervisor of mysqld before each start (systemd: ExecStartPre in a
drop-in of mariadb.service), as the user of mysqld.

After a crash mysqld cuts transactions that nobody acknowledged off its binlog,
and a replica drops the relay log that it has not applied. Both may be the last
copy of something. prestart copies them to <datadir>/mmm-kept before mysqld can
touch them. After a clean stop it does nothing. It never keeps mysqld from
starting: what cannot be copied is said and left.`,
		Example: "  mmmagent prestart --datadir /var/lib/mysql",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger(cmd)
			if err != nil {
				return err
			}
			kept, err := dbops.KeepTails(dbops.Tails{Datadir: datadir, Now: time.Now(), Log: log})
			if err != nil {
				log.Warn("could not keep everything; mysqld may start all the same", "err", err)
			}
			if kept != "" {
				fmt.Fprintln(cmd.OutOrStdout(), "kept binlog tail and relay logs in", kept)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&datadir, "datadir", "/var/lib/mysql", "the data directory of mysqld")
	return cmd
}
