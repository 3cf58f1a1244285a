package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/clusterfile"
	"github.com/mmm-ha/mmm/internal/ctl"
	"github.com/mmm-ha/mmm/internal/version"
)

func (a *app) setupCommands() []*cobra.Command {
	return []*cobra.Command{a.apply(), a.initWriter(), a.recoverEtcd(), a.config(), a.version()}
}

func (a *app) apply() *cobra.Command {
	var (
		file   string
		dryRun bool
	)
	cmd := &cobra.Command{
		Use: "apply -f FILE", GroupID: setup, Args: cobra.NoArgs,
		Short: "check a cluster file and store it",
		Long: `apply reads a cluster file, shows all its mistakes or what it changes, and stores it
in etcd, where the agents find it. The first apply makes the cluster.

Refused when the file has mistakes (exit code 1, each with its line), and when it
would take the ground from under the writer: no such host any more, another
address, or nobody left to acknowledge. If somebody else applied a file in the same
moment, nothing is stored.`,
		Example: `  mmmctl apply -f cluster.yaml --dry-run
  mmmctl apply -f cluster.yaml`,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "the cluster file; - is standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change and change nothing")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		data, err := a.read(file)
		if err != nil {
			return err
		}
		// Nobody needs to say twice which cluster the file is about; but if
		// somebody does, Apply makes sure that both say the same.
		a.fallback = "unknown" // never asked for: Apply stops at the mistakes
		if spec, err := clusterfile.Parse(file, data); err == nil {
			a.fallback = spec.Cluster
		}
		c, err := a.connect(cmd)
		if err != nil {
			return err
		}
		return c.Apply(cmd.Context(), file, data, dryRun)
	}
	return cmd
}

// read reads a file that was named with -f.
func (a *app) read(file string) ([]byte, error) {
	switch file {
	case "":
		return nil, usagef("name the cluster file with -f")
	case "-":
		return io.ReadAll(a.in)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("read the cluster file: %v", err)
	}
	return data, nil
}

func (a *app) initWriter() *cobra.Command {
	var writer string
	cmd := &cobra.Command{
		Use: "init --writer HOST", GroupID: setup, Args: cobra.NoArgs,
		Short: "name the first writer of a new cluster",
		Long: `init names the first writer and waits until clients can write. It is needed once in
the life of a cluster: later writers are elected.

Refused when the cluster has had a writer, when another live host holds a
transaction that this one lacks (it is named), and when no other host is up that
could acknowledge writes.`,
		Example: `  mmmctl init --writer db1`,
	}
	cmd.Flags().StringVar(&writer, "writer", "", "the host that holds the data")
	_ = cmd.RegisterFlagCompletionFunc("writer", a.hostArg(0)) // fails only for a flag that is not there
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error {
		if writer == "" {
			return usagef("name the first writer with --writer HOST: the host that holds the data")
		}
		return c.Init(ctx, writer)
	})
	return cmd
}

func (a *app) recoverEtcd() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use: "recover-etcd", GroupID: setup, Args: cobra.NoArgs,
		Short: "make the hosts believe an etcd again that was restored from an old copy",
		Long: `An etcd that was restored from a backup has forgotten reigns, and its revisions,
which number them, begin again from an old value. Each host that notices closes
what it serves, says HALT, and believes that etcd no longer, even after a restart.

recover-etcd says what the hosts had seen, raises etcd's revision above it, puts
the newest record of a reign back that any host knows, and tells the hosts to
believe again. The next writer is then elected as ever.

Refused while a host of the cluster file is not heard (it may have seen more than
the others; --force goes on without it), and when the revision is more than
20,000 too low: then restore the copy again with

    etcdutl snapshot restore --bump-revision N --mark-compacted`,
		Example: `  mmmctl recover-etcd --reason "restored from last night's copy"`,
	}
	cmd.Flags().BoolVar(&force, "force", false, "go on although a host is not heard")
	cmd.RunE = a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.RecoverEtcd(ctx, force) })
	return cmd
}

func (a *app) config() *cobra.Command {
	config := &cobra.Command{
		Use: "config", GroupID: setup, Args: cobra.NoArgs,
		Short:   "print the cluster file, or check one",
		Long:    "config holds the commands about the cluster file that change nothing; apply stores one.",
		Example: "  mmmctl config show > cluster.yaml",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use: "show", Args: cobra.NoArgs,
		Short:   "print the cluster file that the cluster runs",
		Long:    "show prints the stored cluster file with all defaults written out; apply takes it back.",
		Example: "  mmmctl config show > cluster.yaml",
		RunE:    a.do(func(ctx context.Context, c *ctl.Ctl, _ []string) error { return c.ConfigShow(ctx) }),
	}
	var file string
	validate := &cobra.Command{
		Use: "validate -f FILE", Args: cobra.NoArgs,
		Short:   "check a cluster file without any cluster",
		Long:    "validate shows all mistakes of a cluster file, each with its line. It needs no etcd.",
		Example: "  mmmctl config validate -f cluster.yaml",
		RunE: func(*cobra.Command, []string) error {
			data, err := a.read(file)
			if err != nil {
				return err
			}
			spec, err := clusterfile.Parse(file, data)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.out, "%s is a good cluster file: cluster %s, %d hosts\n", file, spec.Cluster, len(spec.Hosts))
			return err
		},
	}
	validate.Flags().StringVarP(&file, "file", "f", "", "the cluster file; - is standard input")
	config.AddCommand(show, validate)
	return config
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", GroupID: setup, Args: cobra.NoArgs,
		Short:   "print the version",
		Long:    "version prints the version of mmmctl and of the Go that built it. It needs no etcd.",
		Example: "  mmmctl version -o json",
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				APIVersion string `json:"apiVersion"`
				Kind       string `json:"kind"`
				Version    string `json:"version"`
				Go         string `json:"go"`
			}{clusterfile.APIVersion, "Version", version.String(), runtime.Version()}
			if a.flags.Output == string(ctl.JSON) {
				return json.NewEncoder(a.out).Encode(v)
			}
			_, err := fmt.Fprintf(a.out, "mmmctl %s (%s)\n", v.Version, v.Go)
			return err
		},
	}
}
