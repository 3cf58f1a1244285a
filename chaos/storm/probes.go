package storm

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/mmm-ha/mmm/chaos/history"
	"github.com/mmm-ha/mmm/chaos/lab"
	"github.com/mmm-ha/mmm/chaos/load"
)

// probeEvery is the time between two rounds of probes. All hosts are probed at
// the same moments; one whose last probe still waits leaves the round out.
const (
	probeEvery = 20 * time.Millisecond
	probeTime  = 150 * time.Millisecond
)

// probe tries an ordinary write on a host's own address, past the VIPs, again
// and again.
//
// How often: with routers in front and their clients there is half of the time for it.
func (s *site) probe(ctx context.Context, host lab.Host, began time.Time, out *history.Recorder) error {
	dialer, err := s.bed.Dialer(lab.ClientHost)
	if err != nil {
		return err
	}
	session, err := load.NewSession(load.SessionOptions{Dial: dialer.DialContext, User: lab.AppUser, Password: lab.AppPassword,
		Address: netip.AddrPortFrom(host.Address, lab.ClientPort).String(), KeepAfterNo: true})
	if err != nil {
		return err
	}
	defer session.HangUp()
	name, every := "probe-"+host.Name, s.pace(probeEvery)
	for {
		round := uint64(time.Since(began)/every) + 1
		if rest(ctx, time.Until(began.Add(time.Duration(round)*every))) != nil {
			return nil
		}
		o := history.Op{Client: name, ID: round, Do: history.Probe, Route: host.Name, Round: round, Call: history.Now()}
		outcome, err := session.Exec(context.WithoutCancel(ctx), probeTime,
			fmt.Sprintf("INSERT INTO app.rows (client, seq, server) VALUES ('%s', %d, @@server_id)", name, round))
		o.Return, o.Outcome = history.Now(), outcomes[outcome]
		if err != nil {
			o.Why = err.Error()
		}
		out.Op(o)
	}
}
