package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/reliability"
)

// newReliability writes RELIABILITY.md.
func newReliability() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "reliability",
		Short: "Write RELIABILITY.md from the stored results of chaos and simulation",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := reliability.Page(from)
			if err != nil {
				return err
			}
			if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
				return fmt.Errorf("write page: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&from, "from", "docs/reliability", "folder of chaos.jsonl and sim.jsonl")
	cmd.Flags().StringVar(&to, "to", "RELIABILITY.md", "file to write")
	return cmd
}
