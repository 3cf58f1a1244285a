package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// mostRaised is how far the revision of etcd is raised by writing: a minute's
// work. For more there is etcd's own tool.
const mostRaised = 20_000

// RecoverEtcd makes the hosts believe an etcd again that went back to an older
// state (R17). It says what they had seen, refuses while a host of the cluster
// file is not heard (force: goes on without), and waits until all believe it.
func (c *Ctl) RecoverEtcd(ctx context.Context, force bool) error {
	return c.say(c.recoverEtcd(ctx, force))
}

func (c *Ctl) recoverEtcd(ctx context.Context, force bool) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	l := lossOf(cl)
	switch gap := l.floor - cl.Rev; {
	case len(l.halted) == 0:
		return answer{text: "no host that is heard distrusts this etcd; there is nothing to recover"}, nil
	case len(l.silent) > 0 && !force:
		return answer{}, refused("not heard: %s; such a host may have seen more than all others: start its agent, or go on without it with --force", strings.Join(l.silent, ", "))
	case gap > mostRaised:
		return answer{}, refused("etcd is at revision %d and %d was seen: restore it again with `etcdutl snapshot restore --bump-revision %d --mark-compacted`, then repeat", cl.Rev, l.floor, gap+mostRaised)
	}
	c.note("etcd is at revision %d; up to %d was seen by %s", cl.Rev, l.floor, strings.Join(l.halted, ", "))
	if l.reign != nil {
		c.note("the record of the last reign is older there (epoch %d): the newest one that a host knows is put back (%s, epoch %d, %d ackers)", cl.Reign.Value.Epoch, l.reign.Name, l.reign.Epoch, len(l.reign.Ackers))
	}
	c.note("what an operator did since that copy was made is lost: look at `mmmctl config`, the mode and the intents afterwards")
	if err := c.confirm("Shall all hosts believe this etcd again?", cl.Spec.Value.Cluster); err != nil {
		return answer{}, err
	}
	raise, cancel := context.WithTimeout(ctx, c.timeout()+time.Duration(max(0, l.floor-cl.Rev))*10*time.Millisecond)
	defer cancel()
	rev, err := c.Store.Recover(raise, cl, store.Recovery{Reign: l.reign,
		Recovered: topology.Recovered{Floor: l.floor, Who: c.Who, Why: c.Reason, Since: c.now()}})
	if err != nil {
		return answer{}, err
	}
	if c.NoWait {
		return answer{text: fmt.Sprintf("done at revision %d; `mmmctl status` shows whether all believe it", rev)}, nil
	}
	return c.awaitTrust(ctx, rev)
}

// loss is what the hosts say that etcd has forgotten.
type loss struct {
	floor  topology.Rev
	halted []string
	silent []string
	reign  *topology.Reign // newest record that a host knows, when etcd has an older one
}

func lossOf(cl topology.Cluster) loss {
	var l loss
	newest := cl.Reign.Rev
	for _, name := range hostNames(cl) {
		r, _, live := cl.ReportOf(name)
		switch {
		case !live:
			l.silent = append(l.silent, name)
		case r.Halt != nil:
			l.halted = append(l.halted, name)
			l.floor = max(l.floor, r.Halt.Seen)
			if r.Halt.Reign.Rev > newest {
				newest, l.reign = r.Halt.Reign.Rev, &r.Halt.Reign.Value
			}
		}
	}
	slices.Sort(l.halted)
	return l
}

// awaitTrust waits until nobody who is heard distrusts etcd.
func (c *Ctl) awaitTrust(ctx context.Context, rev topology.Rev) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	for {
		cl, err := c.load(ctx)
		if err != nil {
			return answer{}, err
		}
		l := lossOf(cl)
		if len(l.halted) == 0 {
			return answer{text: fmt.Sprintf("all hosts that are heard believe etcd again, from revision %d on", rev)}, nil
		}
		select {
		case <-ctx.Done():
			return answer{}, &Error{Exit: ExitTimeout, Text: "still not believed by " + strings.Join(l.halted, ", ")}
		case <-time.After(pollPause):
		}
	}
}
