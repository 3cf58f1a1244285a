package toll

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/router/follow"
)

func TestARouterFindsItsWriterAndItsReaderInTheRegistry(t *testing.T) {
	writer, reader := netip.MustParseAddrPort("127.0.0.1:3301"), netip.MustParseAddrPort("127.0.0.1:3302")
	r, err := announce(t.Context(), t.TempDir(), writer, reader)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	c, err := store.Open(t.Context(), store.Options{Endpoints: []string{r.endpoint}, Cluster: clusterName})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := follow.New(follow.Options{Client: c, Log: slog.New(slog.DiscardHandler), MaxLag: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = f.Run(ctx) })
	defer running.Wait()
	defer cancel()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		v := f.View()
		if v.Writer.Address == writer && len(v.Readers) == 1 && v.Readers[0].Address == reader && f.Fresh() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("writer %v (%s), readers %v, not read from: %v, fresh: %v", v.Writer, v.Why, v.Readers, v.Excluded, f.Fresh())
		}
	}
}
