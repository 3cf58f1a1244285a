package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
	"github.com/mmm-ha/mmm/internal/store"
)

const clusterName = "shop"

// The hosts of the bed: two that may be writer, two that never are.
var (
	allHosts = []string{"db1", "db2", "db3", "db4"}
	masters  = []string{"db1", "db2"}
)

// bed is a running cluster with a window into its etcd, and every row that was
// ever written to it: what one test was promised must still be there after the
// next ones.
type bed struct {
	*lab.Bed
	kind   string // what is special about it; empty: nothing
	etcd   *store.Client
	ways   *lab.Ways
	tables []table
}

// table is one table and all the clients that ever wrote to it.
type table struct {
	name     string
	journals []*load.Journal
}

// newBed makes a bed and opens it. With a failure its logs are kept.
func newBed(ctx context.Context, t *testing.T, changes ...func(*lab.Options)) (*bed, error) {
	work, err := os.MkdirTemp("/dev/shm", "live-")
	if err != nil {
		return nil, err
	}
	options := lab.Options{
		Work: filepath.Join(work, "bed"), Keep: true, BinDir: os.Getenv(binEnv), Cluster: clusterName,
		Template: template, AutoSetOnline: autoSetOnline,
	}
	for _, change := range changes {
		change(&options)
	}
	made, err := lab.New(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("%w (logs: %s)", err, keepLogs(t, filepath.Join(work, "bed", "log")))
	}
	b := &bed{Bed: made}
	if b.ways, err = b.WaysToEtcd(lab.ClientHost); err == nil {
		b.etcd, err = store.Open(ctx, store.Options{Endpoints: b.ways.Endpoints, Cluster: clusterName, TLS: b.ways.TLS})
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// autoSetOnline is long enough to see AWAITING_RECOVERY, short enough to wait for.
const autoSetOnline = 3 * time.Second

func (b *bed) work() string { return filepath.Dir(filepath.Dir(b.Dir("db1"))) }

func (b *bed) close() error {
	var errs []error
	if b.etcd != nil {
		errs = append(errs, b.etcd.Close())
	}
	if b.ways != nil {
		errs = append(errs, b.ways.Close())
	}
	errs = append(errs, b.Close(), os.RemoveAll(b.work()))
	return errors.Join(errs...)
}

// keepLogs copies the logs out of the world's memory and says where they are.
func keepLogs(t *testing.T, from string) string {
	t.Helper()
	to, err := os.MkdirTemp("", "mmm-live-"+strings.ReplaceAll(t.Name(), "/", "-")+"-")
	if err == nil {
		err = os.CopyFS(to, os.DirFS(from))
	}
	if err != nil {
		return "lost: " + err.Error()
	}
	return to
}
