package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Rejoin orders a host brought back that cannot follow the writer as it is, and
// waits until it follows or says why not. Refused when the host follows already,
// is the writer, or when nothing but a copy of another host can help it.
func (c *Ctl) Rejoin(ctx context.Context, name string) error { return c.say(c.rejoin(ctx, name)) }

func (c *Ctl) rejoin(ctx context.Context, name string) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	if _, err := host(cl, name); err != nil {
		return answer{}, err
	}
	j := topology.Judge(cl, name)
	if err := mayRejoin(cl, name, j); err != nil {
		return answer{}, err
	}
	question := fmt.Sprintf("%s is %s: %s.\nWhat the writer never had%s is archived on %s and taken back.",
		name, j.Standing, j.Why, from(j.GTIDs), name)
	if err := c.confirm(question, name); err != nil {
		return answer{}, err
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	order := topology.RejoinOrder{How: topology.RejoinRewind, Who: c.Who, Why: c.Reason}
	rev, err := c.Store.AskRejoin(call, name, cl.Rejoins[name].Rev, order)
	if err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "ordered %s brought back", name)
	if c.NoWait {
		return answer{text: name + " shall be brought back; `mmmctl status` shows how it fares"}, nil
	}
	return c.awaitRejoin(ctx, name, rev)
}

// mayRejoin refuses what cannot work, with the cause.
func mayRejoin(cl topology.Cluster, name string, j topology.Judgement) error {
	report, id, live := cl.ReportOf(name)
	_, lost := topology.GivenUp(cl, id)
	switch {
	case !cl.Writer.Present():
		return refused("there is no writer, so nobody could say what %s must hold; wait for one", name)
	case cl.Writer.Value.Name == name:
		return refused("%s is the writer: the others follow it", name)
	case !live:
		return refused("the agent of %s holds no lease in etcd; start mmmagent there first", name)
	case !report.MySQL.Up:
		return refused("mysqld of %s is down: %s", name, mysqlWhy(report))
	case j.Standing == "":
		return refused("the reign of %s still begins; try again when it is ready", cl.Writer.Value.Name)
	case !j.Bad() && !lost:
		return refused("%s is %s: %s; there is nothing to repair", name, j.Standing, j.Why)
	case j.Standing == topology.Short:
		return refused("%s is SHORT: %s; it needs a copy of another host: `mmmctl reclone %s`", name, j.Why, name)
	default:
		return nil
	}
}

// awaitRejoin waits until the host has taken the order of that revision away.
func (c *Ctl) awaitRejoin(ctx context.Context, name string, rev topology.Rev) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	begun, told := c.now(), ""
	for {
		cl, err := c.read(ctx)
		if err == nil {
			j := topology.Judge(cl, name)
			report, _, _ := cl.ReportOf(name)
			gone := cl.Rejoins[name].Rev != rev
			switch {
			case gone && j.Standing != "" && !j.Bad():
				return answer{text: fmt.Sprintf("%s follows %s again%s", name, cl.Writer.Value.Name, archivedIn(report))}, nil
			case gone && j.Bad() && report.Repair != nil && report.Repair.Refused != "":
				return answer{}, refused("%s cannot be brought back so: %s", name, report.Repair.Refused)
			}
			if _, why := topology.Classify(cl, name, c.now()); string(why) != told {
				told = string(why)
				c.note("  %s: %s", name, told)
			}
		}
		if !c.pause(ctx) {
			return answer{}, &Error{Exit: ExitTimeout, Text: fmt.Sprintf("%s does not follow after %s: %s; the order stands", name, c.now().Sub(begun).Round(100*time.Millisecond), told)}
		}
	}
}

// from names where it begins, when that is known.
func from(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return " (" + strings.Join(ids, ", ") + ", and whatever came after)"
}

func archivedIn(r topology.Report) string {
	if r.Repair == nil || r.Repair.Archive == "" {
		return ""
	}
	return "; what it gave up lies in " + r.Repair.Archive
}
