package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/conffile"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/topology"
)

// donateLook is how often a host that gives a copy looks whether it still may.
const donateLook = 500 * time.Millisecond

// copier is how another host is asked for a copy of its data.
type copier interface {
	Copy(ctx context.Context, from peer.Host, cluster string, w io.Writer, told func(bytes, total int64)) (trailer []byte, err error)
}

// donate gives another host a copy of this one's data.
func (a *Agent) donate(ctx context.Context, to topology.HostID, out *peer.Outlet) ([]byte, error) {
	v := a.view.Load()
	if a.beside() {
		return nil, errors.New("this host has no data: it is a router's")
	}
	if v == nil {
		return nil, errors.New("this host has just begun")
	}
	if no := topology.MayDonate(*v, to); no != "" {
		return nil, errors.New(no)
	}
	size, _, err := a.clones.dirs.Size() // anew: it may have grown since it was measured last
	if err != nil {
		return nil, err
	}
	if err := out.Expect(size); err != nil {
		return nil, err
	}
	name := v.Cluster.Hosts[to].Value.Name
	j := job{Action: topology.Action{Epoch: v.Cluster.Epoch(), Why: name + " asked for it"}}
	a.record(j, "gives %s a copy of its data", name)
	began := time.Now()
	trailer, err := a.giveCopy(ctx, to, &paced{to: out, rate: v.Cluster.Spec.Value.Recovery.CloneRate << 20, began: began})
	if err != nil {
		a.log.Warn("could not give a copy of this host's data", "to", name, "took", time.Since(began), "err", err)
		return nil, err
	}
	a.record(j, "has given %s a copy of its data in %s", name, time.Since(began).Round(time.Second))
	return trailer, nil
}

// giveCopy runs the tool, as long as this host may.
func (a *Agent) giveCopy(ctx context.Context, to topology.HostID, out io.Writer) ([]byte, error) {
	pw, err := conffile.Password("mysql.passwordFile", a.opt.MySQL.PasswordFile)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		a.watchDonor(ctx, to, cancel)
	}()
	defer func() { cancel(nil); <-watched }()
	point, err := clone.Source{Socket: a.opt.MySQL.Socket, User: a.opt.MySQL.User, Password: pw, Datadir: a.opt.MySQL.Datadir, Dir: a.opt.RunDir}.Stream(ctx, out)
	if err != nil {
		return nil, err
	}
	state, err := a.server.StateAt(ctx, point.File, point.Position, point.GTID)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(copied{State: state})
	if err != nil {
		return nil, fmt.Errorf("encode where the copy stands: %w", err)
	}
	return text, nil
}

// watchDonor ends a copy when this host has something better to do.
func (a *Agent) watchDonor(ctx context.Context, to topology.HostID, cancel context.CancelCauseFunc) {
	for range ticks(ctx, donateLook) {
		if why := topology.MustStopDonating(*a.view.Load(), to); why != "" {
			cancel(errors.New(why))
			return
		}
	}
}

// paced writes no faster than a rate, in bytes a second; 0: as fast as it goes.
type paced struct {
	to    io.Writer
	rate  int64
	began time.Time
	sent  int64
}

func (p *paced) Write(b []byte) (int, error) {
	n, err := p.to.Write(b)
	p.sent += int64(n)
	if err == nil && p.rate > 0 {
		due := time.Duration(float64(p.sent) / float64(p.rate) * float64(time.Second))
		<-time.After(due - time.Since(p.began))
	}
	return n, err
}
