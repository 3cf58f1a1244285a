package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/agent"
	"github.com/mmm-ha/mmm/internal/daemon"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/disk"
	"github.com/mmm-ha/mmm/internal/fence"
)

func newPrestartCommand() *cobra.Command {
	var datadir, kind string
	var port uint16
	cmd := &cobra.Command{
		Use:   "prestart",
		Short: "Close the port before mysqld serves; keep what it may be about to throw away",
		Long: `Run by the supervisor of mysqld before each start (systemd: the drop-in of
mariadb.service). The packet filter takes root, the datadir the user of mysqld:
where one of them cannot do both, it is run twice, once with --datadir "" and once
with --fence none.

First the port that clients use is closed in the packet filter, if it is not
guarded already: after a boot mysqld may be up before the agent, and nobody should
reach it then. The agent opens it. A port that is open until a lease ends stays so;
one that is open without end, for readers, closes. If that does not work the
command fails, and mysqld should not start.

Then it waits for up to five minutes until the disk of the datadir takes writes: a
mysqld that starts on a full disk hangs, and looks for room only once a minute.

After a crash mysqld cuts transactions that nobody acknowledged off its binlog,
and a replica drops the relay log that it has not applied. Both may be the last
copy of something. prestart copies them to <datadir>/mmm-kept before mysqld can
touch them. After a clean stop it copies nothing. That never keeps mysqld from
starting: what cannot be copied is said and left.`,
		Example: "  mmmagent prestart --datadir /var/lib/mysql --port 3306",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := daemon.Logger(cmd.Flags())
			if err != nil {
				return err
			}
			if err := closePort(cmd.Context(), kind, port, log); err != nil {
				return err
			}
			if datadir == "" {
				return nil
			}
			if err := awaitDisk(cmd.Context(), datadir, log, diskPatience); err != nil {
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
	cmd.Flags().StringVar(&datadir, "datadir", "/var/lib/mysql", "the data directory of mysqld; empty: only close the port")
	cmd.Flags().Uint16Var(&port, "port", 3306, "the port that clients use")
	cmd.Flags().StringVar(&kind, "fence", agent.FenceNFT, "what closes the port: "+agent.FenceNFT+", or "+agent.FenceNone+" as in the agent's file")
	return cmd
}

// How long a disk that takes no writes keeps mysqld from starting, how often it is
// tried, and how often that is said.
const (
	diskPatience = 5 * time.Minute
	diskEvery    = 500 * time.Millisecond
	diskSaid     = 5 * time.Second
)

// awaitDisk waits until the disk takes writes, or no longer than patience: then
// mysqld may find out for itself. What cannot be tried is no reason to wait.
func awaitDisk(ctx context.Context, datadir string, log *slog.Logger, patience time.Duration) error {
	var said time.Time
	for end := time.Now().Add(patience); time.Now().Before(end); {
		err := disk.Try(datadir)
		if !errors.Is(err, disk.ErrFailed) {
			return nil
		}
		if time.Since(said) >= diskSaid {
			said = time.Now()
			log.Warn("mysqld is not started before its disk takes writes", "datadir", datadir, "why", disk.Cause(err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(diskEvery):
		}
	}
	return nil
}

// closePort puts the fence up, unless it stands or is not wanted.
func closePort(ctx context.Context, kind string, port uint16, log *slog.Logger) error {
	switch kind {
	case agent.FenceNone:
		return nil
	case agent.FenceNFT:
		err := fence.NewPort(fence.Options{Log: log}).Install(ctx, fence.Layout{Port: port})
		if err != nil {
			return fmt.Errorf("mysqld must not serve yet: %w; run this as root, or with --fence %s if the agent's file says so too", err, agent.FenceNone)
		}
		return nil
	default:
		return fmt.Errorf("--fence %s: use %s or %s", kind, agent.FenceNFT, agent.FenceNone)
	}
}
