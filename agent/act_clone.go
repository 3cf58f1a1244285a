package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/mmm-ha/mmm/agent/step"
	"github.com/mmm-ha/mmm/internal/clone"
	"github.com/mmm-ha/mmm/internal/dbops"
	"github.com/mmm-ha/mmm/internal/peer"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// copied is what a donor says of a copy that it has given.
type copied struct {
	State gtid.State `json:"state"` // of its binlog at that moment
}

// cloneHost fetches a copy of another host and makes it ready. Nothing that the
// server of this host uses is touched.
func (a *Agent) cloneHost(ctx context.Context, j job) (step.Note, error) {
	d := a.clones.dirs
	if err := a.mayClone(ctx, d); err != nil {
		return nil, err
	}
	before := a.clones.state()
	c := topology.Clone{Step: topology.CloneCopying, From: j.Host, Order: j.BidRev, Since: time.Now()}
	if err := d.Begin(); err != nil {
		return nil, err
	}
	if err := a.clones.keep(c); err != nil {
		return nil, err
	}
	if a.clones.news(j.Host, c.Since) {
		a.record(j, "begins to copy %s", j.Host)
	}
	said, err := a.fetchCopy(ctx, j)
	if err == nil {
		err = d.Prepare(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, d.Discard(), a.clones.keep(before))
	}
	got := a.clones.state()
	c.Step, c.State, c.Bytes, c.Total = topology.CloneCopied, said.State, got.Bytes, got.Total
	if err := a.clones.keep(c); err != nil {
		return nil, err
	}
	a.record(j, "has a whole copy of %s at %s: %s in %s", j.Host, c.State.Position(), topology.Bytes(c.Bytes), time.Since(c.Since).Round(time.Second))
	return nil, nil
}

// mayClone looks whether what will be copied can be used at all, before hours
// are spent on it.
func (a *Agent) mayClone(ctx context.Context, d clone.Dirs) error {
	return errors.Join(clone.Tools(), d.Replaceable(),
		dbops.AllInside(ctx, a.opt.MySQL.DefaultsFile, a.opt.MySQL.Datadir))
}

// fetchCopy unpacks what the donor sends, while it comes.
func (a *Agent) fetchCopy(ctx context.Context, j job) (copied, error) {
	from, to := io.Pipe()
	unpacked := make(chan error, 1)
	go func() {
		err := a.clones.dirs.Unpack(ctx, from)
		from.CloseWithError(orEnd(err))
		unpacked <- err
	}()
	donor := peer.Host{ID: j.HostID, Address: netip.AddrPortFrom(j.Addr, j.Port), Key: j.Key}
	trailer, err := a.copier.Copy(ctx, donor, j.Of, to, a.clones.came)
	to.CloseWithError(err) // nil is the end
	if unpackErr := <-unpacked; err == nil || errors.Is(err, io.ErrClosedPipe) {
		err = unpackErr
	}
	var said copied
	if err == nil {
		err = json.Unmarshal(trailer, &said)
	}
	if err == nil && said.State.Position().Empty() {
		err = errors.New("the copy stands at no GTID: nothing was ever written there")
	}
	return said, err
}

func orEnd(err error) error {
	if err == nil {
		return io.ErrClosedPipe
	}
	return err
}

// replaceData puts the copy in place of this host's data, from whatever step it
// had come to.
func (a *Agent) replaceData(ctx context.Context, j job) (step.Note, error) {
	c := a.clones.state()
	if c.Step == topology.CloneCopied {
		if err := a.mayReplace(ctx, j, c); err != nil {
			return nil, err
		}
		c.Step, c.Keep = topology.CloneReplacing, j.Of
		c.Old = a.clones.dirs.Old(clone.OldName(time.Now()))
		if err := a.clones.keep(c); err != nil {
			return nil, err
		}
		a.record(j, "stops its mysqld to become a copy of %s; its data from before go to %s", c.From, c.Old)
	}
	if c.Step == topology.CloneReplacing {
		if err := a.stopServer(ctx, j.probe.Incarnation); err != nil {
			return nil, err
		}
		if err := a.clones.dirs.Replace(filepath.Base(c.Old)); err != nil {
			return nil, err
		}
		c.Step = topology.CloneReplaced
		if err := a.clones.keep(c); err != nil {
			return nil, err
		}
	}
	if c.Step != topology.CloneReplaced {
		return nil, nil // another call has ended it
	}
	return a.endReplace(ctx, j, c)
}

// endReplace starts the server with its new data and gives it their position. The
// order goes before the host counts again, so that it is not carried out twice.
func (a *Agent) endReplace(ctx context.Context, j job, c topology.Clone) (step.Note, error) {
	if err := a.startServer(ctx); err != nil {
		return nil, err
	}
	if err := a.db.TakePosition(ctx, a.opt.MySQL.Datadir, c.State); err != nil {
		return nil, err
	}
	var rev topology.Rev
	if c.Order > 0 {
		call, cancel := context.WithTimeout(ctx, limitEtcd)
		defer cancel()
		var err error
		if rev, err = a.store.EndRejoin(call, a.opt.Host, c.Order); err != nil {
			return nil, err
		}
	}
	c.Step = topology.CloneDone
	if err := a.clones.keep(c); err != nil {
		return nil, err
	}
	a.record(j, "is a copy of %s at %s", c.From, c.State.Position())
	return step.Replaced(rev), nil
}

// mayReplace asks etcd, linearizably, whether what was decided on still holds:
// the reign, that no election would count on this host, that all can see that it
// is not to be counted on, and the order.
func (a *Agent) mayReplace(ctx context.Context, j job, c topology.Clone) error {
	call, cancel := context.WithTimeout(ctx, limitEtcd)
	defer cancel()
	now, err := a.store.Load(call)
	if err != nil {
		return err
	}
	said := now.Hosts[a.id].Value.Repair
	_, acks := now.Reign.Value.Ackers[a.id]
	switch {
	case now.Writer.Rev != j.Epoch || now.Reign.Value.Epoch != j.Epoch || now.Writer.Value.ID == a.id:
		return fmt.Errorf("replace the data: %w: the reign of epoch %d is over", store.ErrGuard, j.Epoch)
	case acks:
		return fmt.Errorf("replace the data: %w: the acker set counts on this host", store.ErrGuard)
	case said == nil || !said.Away:
		return fmt.Errorf("replace the data: %w: not everybody can see yet that this host is not to be counted on", store.ErrGuard)
	case now.Rejoins[a.opt.Host].Rev != c.Order:
		return fmt.Errorf("replace the data: %w: there is another order", store.ErrGuard)
	default:
		return nil
	}
}

// dropData removes a copy that is not wanted, or the data from before.
func (a *Agent) dropData(_ context.Context, j job) (step.Note, error) {
	c := a.clones.state()
	switch {
	case c.Step == topology.CloneCopied:
		if err := a.clones.keep(topology.Clone{}); err != nil {
			return nil, err
		}
		a.record(j, "removes its copy of %s, which nobody wants any more", c.From)
		return nil, a.clones.dirs.Discard()
	case c.Step != topology.CloneDone:
		return nil, nil
	case c.Keep != "":
		a.record(j, "follows as a copy of %s; its data from before stay in %s, because %s; remove them by hand", c.From, c.Old, c.Keep)
	default:
		if err := a.clones.dirs.RemoveOld(filepath.Base(c.Old)); err != nil {
			return nil, err
		}
		a.record(j, "follows as a copy of %s; its data from before are removed", c.From)
	}
	return nil, a.clones.keep(topology.Clone{})
}
