package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/agent"
)

func newUnfenceCommand() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "unfence",
		Short: "Take the agent's rules out of the packet filter, to uninstall it",
		Long: `Take every rule of the agent out of the packet filter of this host. The port of
mysqld is open to everybody afterwards, and nothing closes it again.

For uninstallation, and for a host that leaves the cluster. It is refused while an
agent runs here: that would put the rules back at once.`,
		Example: "  mmmagent stop --release && mmmagent unfence",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := logger(cmd)
			if err != nil {
				return err
			}
			cfg, err := agent.ReadConfig(path)
			if err != nil {
				return err
			}
			if err := agent.Unfence(cmd.Context(), cfg, log); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "the packet filter has no rules of ours any more: the port of mysqld is open to everybody")
			return nil
		},
	}
	cmd.Flags().StringVar(&path, "config", defaultConfig, "the file of this host")
	return cmd
}
