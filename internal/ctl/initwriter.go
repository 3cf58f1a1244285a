package ctl

import (
	"context"
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// Init names the first writer of a new cluster (R61) and waits until it is open.
// It refuses a cluster that had a writer, and a host that lacks a transaction
// which another live host has; that host is named.
func (c *Ctl) Init(ctx context.Context, writer string) error {
	return c.say(c.init(ctx, writer))
}

func (c *Ctl) init(ctx context.Context, writer string) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	h, err := host(cl, writer)
	if err != nil {
		return answer{}, err
	}
	if cl.Reign.Present() || cl.Writer.Present() {
		return answer{}, refused("the cluster has had a writer (%s, epoch %d), so the next one is elected: `mmmctl explain` tells what it waits for", lastWriter(cl), cl.LastEpoch())
	}
	if err := noOpenOrder(cl, c.now()); err != nil {
		return answer{}, err
	}
	unseen, err := firstWriter(cl, h)
	if err != nil {
		return answer{}, err
	}
	if len(unseen) > 0 {
		c.note("not compared, because they are down: %s; if one of them has newer data, start it first and name it", strings.Join(unseen, ", "))
		if err := c.confirm(fmt.Sprintf("Make %s the first writer all the same?", writer), writer); err != nil {
			return answer{}, err
		}
	}
	after, took, err := c.order(ctx, cl, topology.Switchover{Kind: topology.OrderInit, Target: writer})
	if err != nil {
		return answer{}, err
	}
	if c.NoWait {
		return answer{text: fmt.Sprintf("ordered: %s becomes the first writer; `mmmctl status` shows how far it is", writer)}, nil
	}
	return answer{text: fmt.Sprintf("writer is %s (epoch %d), the first of %s, open after %.2fs", writer, after.Epoch(), cl.Spec.Value.Cluster, took.Seconds())}, nil
}

func lastWriter(cl topology.Cluster) string {
	if cl.Writer.Present() {
		return cl.Writer.Value.Name
	}
	return cl.Reign.Value.Name
}

// firstWriter checks whether a host can be the first writer. The result names
// the hosts that could not be compared with it.
func firstWriter(cl topology.Cluster, h topology.HostSpec) (unseen []string, err error) {
	own, _, live := cl.ReportOf(h.Name)
	switch {
	case !h.MayWrite():
		return nil, refused("%s %s", h.Name, h.Barred())
	case cl.Intents[h.Name].Value.Want == topology.WantOffline:
		return nil, refused("%s is set offline; `mmmctl set-online %s` first", h.Name, h.Name)
	case !live:
		return nil, refused("the agent of %s holds no lease in etcd; start mmmagent there", h.Name)
	case !own.MySQL.Up:
		return nil, refused("mysqld of %s is down: %s", h.Name, own.MySQL.Why)
	case own.Unable != "":
		return nil, refused("%s cannot be writer: %s", h.Name, own.Unable)
	}
	others := 0
	for _, name := range hostNames(cl) {
		r, _, live := cl.ReportOf(name)
		switch {
		case name == h.Name:
		case !live || !r.MySQL.Up:
			unseen = append(unseen, name)
		case !own.Received.Contains(r.Received) || !own.Received.Contains(r.Position):
			return nil, refused("%s lacks what %s holds: %s there, %s here; name %s instead, or make %s a copy of %s first",
				h.Name, name, orNothing(r.Received.String()), orNothing(own.Received.String()), name, name, h.Name)
		default:
			others++
		}
	}
	if others == 0 {
		return nil, refused("no other host is up, so nobody could acknowledge what %s writes; down: %s", h.Name, strings.Join(unseen, ", "))
	}
	return unseen, nil
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
