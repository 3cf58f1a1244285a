package ctl

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mmm-ha/mmm/topology"
)

// Switchover moves the writer to a host, or to the best candidate when to is
// empty, without losing anything. It checks everything before the first change
// and says of every host why it can or cannot take over. Without a writer, and
// in mode MANUAL, it orders an election instead.
func (c *Ctl) Switchover(ctx context.Context, to string) error {
	return c.say(c.switchover(ctx, to))
}

func (c *Ctl) switchover(ctx context.Context, to string) (answer, error) {
	cl, err := c.load(ctx)
	if err != nil {
		return answer{}, err
	}
	if to != "" {
		if _, err := host(cl, to); err != nil {
			return answer{}, err
		}
	}
	if cl.ModeNow() == topology.Passive {
		return answer{}, refused("the mode is PASSIVE%s: nothing moves; `mmmctl mode active` ends that", signed(cl.Mode.Value.Who, cl.Mode.Value.Why)).
			inMMM("ERROR: This command is not allowed in passive mode")
	}
	if err := noOpenOrder(cl, c.now()); err != nil {
		return answer{}, err
	}
	if !cl.Writer.Present() {
		return c.elect(ctx, cl, to)
	}
	if to == cl.Writer.Value.Name {
		return answer{text: to + " is the writer already", mmm: fmt.Sprintf("OK: Role is on '%s' already. Skipping command.", to)}, nil
	}
	target, err := c.pick(cl, to)
	if err != nil {
		return answer{}, err
	}
	if err := c.confirm(fmt.Sprintf("Move the writer from %s to %s?", cl.Writer.Value.Name, target), target); err != nil {
		return answer{}, err
	}
	return c.move(ctx, cl, target)
}

// pick chooses the target among the candidates, and shows them all.
func (c *Ctl) pick(cl topology.Cluster, to string) (string, error) {
	if why := noWrites(cl); why != "" {
		return "", refused("%s", why)
	}
	cands := topology.Candidates(cl, c.now())
	i := slices.IndexFunc(cands, func(k topology.Candidate) bool { return k.OK && (to == "" || k.Name == to) })
	if i < 0 {
		headline := "no host can take the writer role over"
		if to != "" {
			headline = to + " cannot take the writer role over"
		}
		e := refused("%s\n%s", headline, candidateLines(cands, ""))
		if state, _ := topology.Classify(cl, to, c.now()); to != "" && state != topology.Online {
			e = e.inMMM("ERROR: Can't move role to host with state %s.", state)
		} else {
			e = e.inMMM("ERROR: %s: %s", headline, raceText(cands))
		}
		return "", e
	}
	c.note("%s", candidateLines(cands, cands[i].Name))
	return cands[i].Name, nil
}

// candidateLines is one line for each host.
func candidateLines(cands []topology.Candidate, picked string) string {
	width := 0
	for _, k := range cands {
		width = max(width, len(k.Name))
	}
	var lines []string
	for _, k := range cands {
		mark, tail := "no ", ""
		if k.OK {
			mark = "yes"
		}
		if k.Name == picked {
			tail = "   <- picked"
		}
		lines = append(lines, fmt.Sprintf("  %-*s  %s  %s%s", width, k.Name, mark, k.Why, tail))
	}
	return strings.Join(lines, "\n")
}

// move orders a planned switchover and sees it through.
func (c *Ctl) move(ctx context.Context, cl topology.Cluster, target string) (answer, error) {
	from := cl.Writer.Value.Name
	after, took, err := c.order(ctx, cl, topology.Switchover{Kind: topology.OrderSwitchover, Target: target, Epoch: cl.Epoch()})
	if err != nil {
		return answer{}, err
	}
	if c.NoWait {
		return answer{text: fmt.Sprintf("ordered: the writer moves from %s to %s; `mmmctl status` shows how far it is", from, target)}, nil
	}
	return answer{
		text: fmt.Sprintf("writer is %s (epoch %d), moved from %s in %.2fs; nothing was lost", target, after.Epoch(), from, took.Seconds()),
		mmm:  fmt.Sprintf("OK: Role 'writer' has been moved from '%s' to '%s'. Now you can wait some time and check new roles info!", from, target),
	}, nil
}

// elect orders an election where the mode forbids one that nobody asked for.
func (c *Ctl) elect(ctx context.Context, cl topology.Cluster, to string) (answer, error) {
	if !cl.Reign.Present() {
		return answer{}, refused("there is no writer and never was one; `mmmctl init --writer HOST` names the first")
	}
	if cl.ModeNow() == topology.Active {
		return answer{}, refused("there is no writer to move, and in mode ACTIVE the next one is elected without an order: %s", electionText(cl))
	}
	if to == "" {
		best, why := likeliest(cl)
		if best == "" {
			return answer{}, refused("name the next writer with --to: %s", why)
		}
		to = best
	}
	if h, _ := cl.Spec.Value.Host(to); !h.MayWrite() {
		return answer{}, refused("%s %s", to, h.Barred())
	}
	if _, _, live := cl.ReportOf(to); !live {
		return answer{}, refused("%s is down: its agent holds no lease", to)
	}
	if err := c.confirm(fmt.Sprintf("There is no writer. Elect %s?", to), to); err != nil {
		return answer{}, err
	}
	after, took, err := c.order(ctx, cl, topology.Switchover{Kind: topology.OrderElect, Target: to, Epoch: cl.LastEpoch()})
	if err != nil {
		return answer{}, err
	}
	if c.NoWait {
		return answer{text: fmt.Sprintf("ordered: %s is elected; `mmmctl status` shows how far it is", to)}, nil
	}
	return answer{
		text: fmt.Sprintf("writer is %s (epoch %d), elected in %.2fs", to, after.Epoch(), took.Seconds()),
		mmm:  fmt.Sprintf("OK: Role 'writer' has been moved from '' to '%s'. Now you can wait some time and check new roles info!", to),
	}, nil
}

// likeliest is the host that an election would choose, if the bids prove one.
// In mode MANUAL nobody bids before the order stands, so the best position
// that the reports tell is a fair guess; the proof comes with the bids.
func likeliest(cl topology.Cluster) (name, why string) {
	if proof := topology.Prove(cl); proof.OK {
		id, race := topology.Best(cl, proof)
		if id == "" {
			return "", raceText(race)
		}
		return race[0].Name, ""
	}
	for _, h := range cl.Spec.Value.Hosts {
		r, _, live := cl.ReportOf(h.Name)
		if !live || !h.MayWrite() || !r.MySQL.Up || r.Unable != "" || cl.Intents[h.Name].Value.Want == topology.WantOffline {
			continue
		}
		best, _, _ := cl.ReportOf(name)
		spec, _ := cl.Spec.Value.Host(name)
		ahead := !best.Received.Contains(r.Received)
		level := best.Received.Contains(r.Received) && r.Received.Contains(best.Received)
		if name == "" || ahead || level && h.Priority < spec.Priority {
			name = h.Name
		}
	}
	return name, "no host that may be writer is up"
}
