package agent

import (
	"context"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/topology"
)

// probeWait is how long a new address is asked for on the wire before it is
// taken: longer than any holder needs to answer, too short to be felt.
const probeWait = 60 * time.Millisecond

// claimVIP takes a free reader VIP: the claim first, then the address (R54).
func (a *Agent) claimVIP(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	vip := j.VIPs[0]
	a.actions.Go(func() { a.seekStranger(context.WithoutCancel(ctx), vip) })
	rev, err := a.store.ClaimVIP(ctx, j.session.ID(), vip, topology.Claim{ID: a.id, Name: a.opt.Host, Since: time.Now().UTC()})
	if err != nil {
		return nil, err
	}
	return step.Wrote(rev), nil
}

// seekStranger reports who answers for a VIP that nobody has claimed (R55). It runs
// beside the claim: the answer decides nothing, for who held the VIP last has let its
// address go before its claim or its lease could end, and a client's first packet that
// meets no address is sent again only after a second.
func (a *Agent) seekStranger(ctx context.Context, vip netip.Addr) {
	if mac, err := a.vips.Probe(ctx, vip, probeWait); err == nil && mac != nil {
		a.foreign.report(vip, mac.String())
	}
}

// giveUpVIP lets a reader VIP go: the address first, then the claim (R54).
func (a *Agent) giveUpVIP(ctx context.Context, j job) (step.Note, error) {
	if j.session == nil {
		return nil, errNoLease
	}
	if err := a.vips.Drop(ctx, j.VIPs...); err != nil {
		return nil, err
	}
	claim := j.cluster.Claims[j.VIPs[0]].Rev
	left := step.Left(j.VIPs[0], claim)
	rev, err := a.store.ReleaseVIP(ctx, j.VIPs[0], claim)
	if err != nil {
		return left, err
	}
	return step.Released(left, rev), nil
}

// setVIPs makes the addresses on the interface those that are wanted.
func (a *Agent) setVIPs(ctx context.Context, j job) (step.Note, error) {
	return nil, a.serve(ctx, j, j.VIPs)
}
