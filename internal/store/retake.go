package store

import (
	"context"
	"fmt"

	"github.com/mmm-ha/mmm/topology"
)

// Retake puts the keys of a reign again that etcd let go of while all others had
// promised to keep still (R52): writer, phase ready and the same acker set, in
// one transaction, if there is no writer and all guards hold. It returns the
// epoch of what is a new reign of the same writer. The results mean what those of
// Campaign mean. Phase and reign are stored with epoch 0, as their epoch is the
// revision of this transaction; every snapshot shows that in its place.
func (c *Client) Retake(ctx context.Context, r CampaignRequest, reign topology.Reign) (topology.Rev, error) {
	const verb = "retake"
	for _, key := range []string{reignKey, specKey, modeKey, intentKey(r.Writer.Name)} {
		if !r.Guards.has(key) {
			return 0, fmt.Errorf("%s: %w: nothing guards %s", verb, ErrGuard, key)
		}
	}
	if r.Lease == 0 {
		return 0, fmt.Errorf("%s: %w", verb, ErrLeaseGone)
	}
	writer, err := record(writerKey, r.Lease, r.Writer)
	if err != nil {
		return 0, err
	}
	phase, err := record(phaseKey, r.Lease, topology.Phase{Step: topology.Ready, Incarnation: r.Incarnation, Position: reign.Start})
	if err != nil {
		return 0, err
	}
	reign.Epoch = 0
	again, err := record(reignKey, 0, reign)
	if err != nil {
		return 0, err
	}
	return c.commit(ctx, change{
		verb:   verb,
		guards: append([]guard{{writerKey, 0}}, r.Guards.list...),
		puts:   []put{writer, phase, again},
	})
}
