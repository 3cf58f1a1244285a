package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// onEtcd does the same to every etcd member at once: one alone cannot become
// healthy while a majority is down.
func onEtcd(ctx context.Context, bed *lab.Bed, do func(context.Context, string) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, h := range bed.Hosts() {
		if h.Etcd {
			group.Go(func() error { return do(ctx, h.Name) })
		}
	}
	return group.Wait()
}

// killEtcd ends all members at once.
func killEtcd(ctx context.Context, bed *lab.Bed, _ string) error {
	return onEtcd(ctx, bed, bed.KillEtcd)
}

// member is what etcdctl tells of one.
type member struct {
	Endpoint string `json:"Endpoint"`
	Status   struct {
		Header struct {
			ID uint64 `json:"member_id"`
		} `json:"header"`
		Leader uint64 `json:"leader"`
	} `json:"Status"`
}

func etcdctl(ctx context.Context, bed *lab.Bed, endpoints string, args ...string) ([]byte, error) {
	command := append([]string{"env", "ETCDCTL_API=3", "etcdctl", "--endpoints=" + endpoints}, args...)
	out, err := bed.Exec(ctx, lab.ClientHost, command...)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return out, nil
}

// leadEtcd makes the member on a host lead. Only the leader can give it away.
func leadEtcd(ctx context.Context, bed *lab.Bed, host string) error {
	const limit = 10 * time.Second
	for end := time.Now().Add(limit); time.Now().Before(end); {
		from, to, err := leaders(ctx, bed, host)
		if err != nil {
			return err
		}
		if from == "" {
			return nil
		}
		// It may have moved meanwhile: then it is refused, and looked at again.
		_, _ = etcdctl(ctx, bed, from, "move-leader", to)
	}
	return fmt.Errorf("etcd's leadership did not move to %s within %v", host, limit)
}

// leaders are the endpoint of etcd's leader and the id of the member that should
// lead; both empty when it leads already.
func leaders(ctx context.Context, bed *lab.Bed, host string) (from, to string, err error) {
	out, err := etcdctl(ctx, bed, strings.Join(bed.Endpoints(lab.ClientHost), ","), "endpoint", "status", "-w", "json")
	if err != nil {
		return "", "", fmt.Errorf("look for etcd's leader: %w", err)
	}
	var members []member
	if err := json.Unmarshal(out, &members); err != nil {
		return "", "", fmt.Errorf("read etcd's status: %w", err)
	}
	own := bed.Endpoints(host)[0]
	for _, m := range members {
		leads := m.Status.Leader == m.Status.Header.ID
		switch {
		case leads && m.Endpoint == own:
			return "", "", nil
		case leads:
			from = m.Endpoint
		case m.Endpoint == own:
			to = fmt.Sprintf("%x", m.Status.Header.ID)
		}
	}
	if from == "" || to == "" {
		return "", "", errors.New("etcd has no leader, or no member on " + host)
	}
	return from, to, nil
}
