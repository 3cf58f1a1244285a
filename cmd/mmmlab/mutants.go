package main

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/chaos/mutants"
)

func newMutants() *cobra.Command {
	var only []string
	var verbose, list, stale bool
	cmd := &cobra.Command{
		Use:   "mutants",
		Short: "Plant bugs into copies of the code and see that the tests notice each",
		Long: `Plant one known bug after the other into a copy of a source file, give the copy to
the compiler in place of the file, and run the suite that has to go red. The tree
itself is not changed. Results are added to docs/reliability/mutants.json, and
docs/mutants.md is made from them.

It must be run inside the source tree, as root (some suites start servers and
make network namespaces).

Exit code 1: a bug was noticed by nobody, or could not be tried.`,
		Example: `  mmmlab mutants                                  # all of them
  mmmlab mutants --only reign-outlives-its-mysqld -v`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVar(&only, "only", nil, "names of the bugs to plant")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show each change and what the tests print")
	cmd.Flags().BoolVar(&stale, "stale", false, "plant only those that were not tried as they stand, or that survived")
	cmd.Flags().BoolVar(&list, "list", false, "only say which bugs there are")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		chosen, err := mutants.Find(only)
		if err != nil {
			return err
		}
		root, err := sourceTree()
		if err == nil && stale {
			chosen, err = mutants.Stale(root, chosen)
		}
		if err != nil {
			return err
		}
		out := cmd.OutOrStdout()
		if list {
			for _, m := range chosen {
				fmt.Fprintf(out, "%-36s %s\n", m.Name, m.What)
			}
			return nil
		}
		say := func(line string) { fmt.Fprintln(out, line) }
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM) // what was tried by then is stored
		defer stop()
		results, runErr := mutants.Run(ctx, mutants.Options{Root: root, Say: say, Verbose: verbose}, chosen)
		if err := mutants.Store(root, results); err != nil {
			return err
		}
		survivors := 0
		for _, r := range results {
			if !r.Caught {
				survivors++
			}
		}
		say(fmt.Sprintf("%d bugs planted, %d caught, %d survive; see %s", len(results), len(results)-survivors, survivors, mutants.PageFile))
		switch {
		case runErr != nil:
			return fmt.Errorf("some bugs could not be tried: %w", runErr)
		case survivors > 0:
			return fmt.Errorf("%d bugs were noticed by nobody", survivors)
		}
		return nil
	}
	return cmd
}

// sourceTree finds the directory of go.mod, from the working directory upwards.
func sourceTree() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the source tree: %w", err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the source tree: no go.mod here or above")
		}
	}
}
