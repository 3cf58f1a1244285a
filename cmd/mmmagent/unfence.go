package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/agent"
)

func newUnfenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unfence",
		Short: "Take the agent's rules out of the packet filter, to uninstall it",
		Long: `Take every rule of the agent out of the packet filter of this host. The port of
mysqld is open to everybody afterwards, and nothing closes it again.

For uninstallation, and for a host that leaves the cluster. It is refused while an
agent runs here: that would put the rules back at once.`,
		Example: "  mmmagent stop --release && mmmagent unfence",
	}
	return withFile(cmd, func(ctx context.Context, cfg agent.Config, log *slog.Logger) error {
		if err := agent.Unfence(ctx, cfg, log); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), "the packet filter has no rules of ours any more: the port of mysqld is open to everybody")
		return nil
	})
}
