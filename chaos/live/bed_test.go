package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	etcd   *store.Client
	ways   []net.Listener
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
	endpoints, err := b.waysToEtcd()
	if err == nil {
		b.etcd, err = store.Open(ctx, store.Options{Endpoints: endpoints, Cluster: clusterName})
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
	for _, l := range b.ways {
		errs = append(errs, l.Close())
	}
	errs = append(errs, b.Close(), os.RemoveAll(b.work()))
	return errors.Join(errs...)
}

// waysToEtcd makes a port on this process's own loopback for each etcd member,
// for a client library that cannot be told to dial from within a host. It gives
// the endpoints.
func (b *bed) waysToEtcd() ([]string, error) {
	dialer, err := b.Dialer(lab.ClientHost)
	if err != nil {
		return nil, err
	}
	var endpoints []string
	for _, member := range b.Endpoints(lab.ClientHost) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		b.ways = append(b.ways, l)
		endpoints = append(endpoints, "http://"+l.Addr().String())
		go forward(l, dialer, strings.TrimPrefix(member, "http://"))
	}
	return endpoints, nil
}

// forward ends when the listener is closed; its connections end with the bed,
// whose death closes their other side.
func forward(l net.Listener, dialer *lab.Dialer, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			out, err := dialer.DialContext(ctx, "tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			var both sync.WaitGroup
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				both.Go(func() {
					_, _ = io.Copy(way[0], way[1]) // the end of one side ends the other
					_ = way[0].Close()
				})
			}
			both.Wait()
		}()
	}
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
