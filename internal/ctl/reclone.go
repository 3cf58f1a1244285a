package ctl

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// Reclone is what may be said with an order to make a host a copy of another.
type Reclone struct {
	From   string // who gives the copy; empty: any healthy replica
	Writer bool   // the writer may give it, when nobody else can
	Cancel bool   // take an order back that has not touched anything yet
}

// Reclone orders a host made a copy of another one, and waits until it follows the
// writer with its new data. It says before what goes and what stays. Refused for
// the writer, for the last host that acknowledges, when nobody can give a copy, and
// when there is no room for one beside the data that are there.
func (c *Ctl) Reclone(ctx context.Context, name string, r Reclone) error {
	return c.say(c.reclone(ctx, name, r))
}

func (c *Ctl) reclone(ctx context.Context, name string, r Reclone) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	if _, err := host(cl, name); err != nil {
		return answer{}, err
	}
	if r.Cancel {
		return c.cancelReclone(ctx, cl, name)
	}
	if r.From != "" {
		if _, err := host(cl, r.From); err != nil {
			return answer{}, err
		}
	}
	order := topology.RejoinOrder{How: topology.RejoinReclone, From: r.From, Writer: r.Writer, Who: c.Who, Why: c.Reason}
	donor, err := mayReclone(cl, name, order, c.now())
	if err != nil {
		return answer{}, err
	}
	if err := c.confirm(preview(cl, name, donor), name); err != nil {
		return answer{}, err
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	rev, err := c.Store.AskRejoin(call, name, cl.Rejoins[name].Rev, order)
	if err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "ordered %s made a copy of %s", name, wordOr(r.From, "a healthy replica"))
	if c.NoWait {
		return answer{text: name + " shall become a copy of another host; `mmmctl status` shows how it fares"}, nil
	}
	return c.awaitReclone(ctx, name, rev)
}

// mayReclone names the host that will give the copy, or refuses with the cause.
func mayReclone(cl topology.Cluster, name string, order topology.RejoinOrder, now time.Time) (donor string, err error) {
	report, id, live := cl.ReportOf(name)
	_, lost := topology.GivenUp(cl, id)
	_, acks := cl.Reign.Value.Ackers[id]
	switch {
	case !cl.Writer.Present():
		return "", refused("there is no writer, so nobody could say whose data are the right ones; wait for one")
	case cl.Writer.Value.Name == name:
		return "", refused("%s is the writer: its data are the ones that all others follow; `mmmctl switchover` first", name)
	case cl.Reign.Value.Epoch != cl.Epoch():
		return "", refused("the reign of %s still begins; try again when it is ready", cl.Writer.Value.Name)
	case !live:
		return "", refused("the agent of %s holds no lease in etcd; start mmmagent there first", name)
	case lost:
		return "", refused("%s may hold acknowledged writes that nobody else has (`failover --accept-loss`): look at them first, then `mmmctl set-online %s`", name, name)
	case acks && len(cl.Reign.Value.Ackers) == 1:
		return "", refused("%s is the only host that acknowledges writes: they would wait until it is back; bring another replica back first", name)
	case report.NoTools != "":
		return "", refused("%s cannot take a copy: %s", name, report.NoTools)
	}
	donor, why := topology.Donor(cl, name, order, "", now)
	if why == "" {
		why = topology.NoRoom(cl, name, donor)
	}
	if why != "" {
		return "", refused("%s", why)
	}
	return donor, nil
}

// preview says what will happen, what goes and what stays.
func preview(cl topology.Cluster, name, donor string) string {
	mine, _, _ := cl.ReportOf(name)
	theirs, _, _ := cl.ReportOf(donor)
	j := topology.Judge(cl, name)
	var b strings.Builder
	fmt.Fprintf(&b, "%s becomes a copy of %s: about %s; %s of the %s that are free on %s are needed.\n", name, donor,
		topology.Bytes(theirs.Space.Data), topology.Bytes(topology.Room(theirs.Space.Data)), topology.Bytes(mine.Space.Free), name)
	fmt.Fprintf(&b, "Until the copy is whole %s goes on as it is. Then its mysqld is stopped and all its data (%s), binlogs and relay logs are moved aside.\n",
		name, topology.Bytes(mine.Space.Data))
	switch {
	case !mine.MySQL.Up:
		fmt.Fprintf(&b, "They stay there: its mysqld does not run, so nobody can see what only they hold. You remove them by hand.")
	case j.Standing == topology.Parted:
		fmt.Fprintf(&b, "What the writer never had%s is archived on %s first. They are removed when %s follows again; if it could not be archived they stay.", from(j.GTIDs), name, name)
	default:
		fmt.Fprintf(&b, "They are removed when %s follows again.", name)
	}
	return b.String()
}

// cancelReclone takes an order back.
func (c *Ctl) cancelReclone(ctx context.Context, cl topology.Cluster, name string) (answer, error) {
	o := cl.Rejoins[name]
	if !o.Present() || o.Value.How != topology.RejoinReclone {
		return answer{}, refused("nobody has ordered a copy for %s", name)
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	if _, err := c.Store.EndRejoin(call, name, o.Rev); err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "took the order back that %s become a copy", name)
	return answer{text: "the order for " + name + " is taken back; what was begun of putting a copy in place is still ended"}, nil
}

// progressEvery is how often the progress of a copy is told.
const progressEvery = 5 * time.Second

// awaitReclone waits until the host has taken the order of that revision away,
// and follows. Without --timeout it waits as long as it takes.
func (c *Ctl) awaitReclone(ctx context.Context, name string, rev topology.Rev) (answer, error) {
	if c.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.Timeout)
		defer cancel()
	}
	begun, said, at := c.now(), "", time.Time{}
	for {
		why := "etcd does not answer"
		if cl, err := c.read(ctx); err == nil {
			if follows(cl, name) && cl.Rejoins[name].Rev != rev {
				return answer{text: fmt.Sprintf("%s follows %s again after %s", name, cl.Writer.Value.Name, c.now().Sub(begun).Round(100*time.Millisecond))}, nil
			}
			_, reason := topology.Classify(cl, name, c.now())
			why = string(reason)
		}
		if doing, _, _ := strings.Cut(why, ": "); doing != said || c.now().Sub(at) >= progressEvery {
			said, at = doing, c.now()
			c.note("  %s: %s", name, why)
		}
		if !c.pause(ctx) {
			return answer{}, &Error{Exit: ExitTimeout, Text: fmt.Sprintf("%s does not follow after %s: %s; the order stands (`mmmctl reclone %s --cancel` takes it back)",
				name, c.now().Sub(begun).Round(100*time.Millisecond), why, name)}
		}
	}
}

// follows reports whether a host replicates from the writer.
func follows(cl topology.Cluster, name string) bool {
	r, id, live := cl.ReportOf(name)
	j := topology.Judge(cl, name)
	_, acks := cl.Reign.Value.Ackers[id]
	return live && r.MySQL.Up && j.Standing != "" && !j.Bad() && r.Replication.IO == "Yes" && acks && (r.Repair == nil || !r.Repair.Away)
}

func wordOr(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}
