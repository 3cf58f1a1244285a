package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/mmm-ha/mmm/topology"
)

// Recovery is what an operator puts into an etcd that went back to an older state.
type Recovery struct {
	Recovered topology.Recovered
	Reign     *topology.Reign // newest record that any host knows; nil: that of etcd is the newest
}

// Recover makes an etcd that went back fit to be believed again (R17). c is the
// reading that was judged. First the revision is raised above the floor, by
// writing the key again and again; then, in one transaction, the keys of the reign
// that etcd remembers go away, the newest record of a reign takes the place of the
// older one, and recovery is put, whose revision every host takes for the sign. It
// returns that revision. When it fails half-way it can be called again.
func (c *Client) Recover(ctx context.Context, now topology.Cluster, r Recovery) (topology.Rev, error) {
	const verb = "recover etcd"
	rev := now.Recovery.Rev
	for at := now.Rev; at <= r.Recovered.Floor; {
		next, err := c.replace(ctx, verb, recoveryKey, rev, topology.Recovered{Why: "the revision is being raised", Who: r.Recovered.Who, Since: r.Recovered.Since})
		if err != nil {
			return 0, err
		}
		rev, at = next, next
	}
	ch := change{verb: verb, guards: []guard{{recoveryKey, rev}, {reignKey, now.Reign.Rev}, {writerKey, now.Writer.Rev}}}
	own, err := record(recoveryKey, 0, r.Recovered)
	if err != nil {
		return 0, err
	}
	ch.puts = append(ch.puts, own)
	if r.Reign != nil {
		reign, err := record(reignKey, 0, *r.Reign)
		if err != nil {
			return 0, err
		}
		ch.puts = append(ch.puts, reign)
	}
	if now.Writer.Present() {
		ch.drops = append(ch.drops, writerKey, phaseKey)
	}
	done, err := c.commit(ctx, ch)
	if errors.Is(err, ErrGuard) {
		return 0, fmt.Errorf("%w; look again and repeat", err)
	}
	return done, err
}
