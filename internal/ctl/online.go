package ctl

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

// SetOnline says that a host shall serve again. It lifts ADMIN_OFFLINE and
// clears AWAITING_RECOVERY; the host's own agent does so when its checks are
// good. Refused for a host in another state, and for one whose agent or mysqld
// is gone. Waits until the host is ONLINE. A router is a host here, too.
func (c *Ctl) SetOnline(ctx context.Context, name string) error {
	return c.say(c.setOnline(ctx, name))
}

func (c *Ctl) setOnline(ctx context.Context, name string) (answer, error) {
	cl, err := c.loadScope(ctx, name)
	if err != nil {
		return answer{}, err
	}
	state, why := topology.Classify(cl, name, c.now())
	report, _, live := cl.ReportOf(name)
	switch {
	case state == topology.Online:
		return answer{text: name + " is ONLINE already", mmm: "OK: This host is already ONLINE. Skipping command."}, nil
	case state != topology.AdminOffline && state != topology.AwaitingRecovery:
		return answer{}, refused("%s is %s: %s; set-online lifts ADMIN_OFFLINE and AWAITING_RECOVERY only", name, state, why).
			inMMM("ERROR: Host '%s' is '%s' at the moment. It can't be switched to ONLINE.", name, state)
	case !live:
		return answer{}, refused("the agent of %s holds no lease in etcd, so nobody could bring the host back; start mmmagent there first", name).
			inMMM("ERROR: Can't reach agent daemon on '%s'! Can't switch its state!", name)
	case !report.MySQL.Up || failing(report, topology.CheckPing, topology.CheckMySQL):
		h, _ := cl.Spec.Value.Host(name)
		return answer{}, refused("%s of %s is not well: %s", h.Server(), name, mysqlWhy(report)).
			inMMM("ERROR: Checks ping and/or mysql are not ok for host '%s'. It can't be switched to ONLINE.", name)
	}
	if err := c.want(ctx, cl, name, topology.WantOnline); err != nil {
		return answer{}, err
	}
	done := answer{text: name + " is ONLINE", mmm: fmt.Sprintf("OK: State of '%s' changed to ONLINE. Now you can wait some time and check its new roles!", name)}
	if c.NoWait {
		done.text = name + " shall be online; its agent brings it back when its checks are good"
		return done, nil
	}
	return done, c.awaitState(ctx, name, topology.Online)
}

// failing reports whether one of the checks was made and is bad.
func failing(r topology.Report, names ...string) bool {
	return slices.ContainsFunc(r.Checks, func(k topology.Check) bool { return !k.OK && slices.Contains(names, k.Name) })
}

func mysqlWhy(r topology.Report) string {
	if r.MySQL.Why != "" {
		return r.MySQL.Why
	}
	for _, k := range r.Checks {
		if !k.OK && k.Message != "" {
			return k.Message
		}
	}
	return "its checks are bad"
}

// SetOffline takes a host out of service. The writer hands its role over first,
// by a planned switchover, and the command is refused when nobody can take it.
// Refused too when the host is the last one that acknowledges commits.
func (c *Ctl) SetOffline(ctx context.Context, name string) error {
	return c.say(c.setOffline(ctx, name))
}

func (c *Ctl) setOffline(ctx context.Context, name string) (answer, error) {
	cl, err := c.loadScope(ctx, name)
	if err != nil {
		return answer{}, err
	}
	if done, err := c.mayGoOffline(cl, name); done.text != "" || err != nil {
		return done, err
	}
	moved := ""
	if cl.Writer.Present() && cl.Writer.Value.Name == name {
		a, err := c.leaveWriter(ctx, cl, name)
		if err != nil {
			return answer{}, err
		}
		moved = a.text + "; "
		if cl, err = c.load(ctx); err != nil {
			return answer{}, partly(moved, name, err)
		}
	}
	if err := c.want(ctx, cl, name, topology.WantOffline); err != nil {
		if moved != "" {
			err = partly(moved, name, err)
		}
		return answer{}, err
	}
	return answer{
		text: moved + name + " is ADMIN_OFFLINE",
		mmm:  fmt.Sprintf("OK: State of '%s' changed to ADMIN_OFFLINE. Now you can wait some time and check all roles!", name),
	}, nil
}

// partly is the error for a writer that moved away and then could not be set offline.
func partly(moved, name string, err error) error {
	return &Error{Exit: ExitPartly, Err: err, Text: fmt.Sprintf("%sbut %s was not set offline: %s", moved, name, Describe(err))}
}

// mayGoOffline refuses what MMM refused, and what would stop all writes. An
// answer means that there is nothing to do.
func (c *Ctl) mayGoOffline(cl topology.Cluster, name string) (answer, error) {
	state, why := topology.Classify(cl, name, c.now())
	_, id, live := cl.ReportOf(name)
	switch {
	case state == topology.AdminOffline:
		return answer{text: name + " is ADMIN_OFFLINE already", mmm: "OK: This host is already ADMIN_OFFLINE. Skipping command."}, nil
	case !live:
		return answer{}, refused("the agent of %s holds no lease in etcd: the host serves nothing anyway", name).
			inMMM("ERROR: Can't reach agent daemon on '%s'! Can't switch its state!", name)
	case !slices.Contains([]topology.State{topology.Online, topology.ReplicationFail, topology.ReplicationDelay}, state):
		return answer{}, refused("%s is %s: %s", name, state, why).
			inMMM("ERROR: Host '%s' is '%s' at the moment. It can't be switched to ADMIN_OFFLINE.", name, state)
	}
	if _, acks := cl.Reign.Value.Ackers[id]; acks && cl.Writer.Present() && len(cl.Reign.Value.Ackers) == 1 && cl.Writer.Value.Name != name {
		return answer{}, refused("%s is the only host that acknowledges the commits of %s: without it writes stop; bring another host ONLINE first", name, cl.Writer.Value.Name)
	}
	return answer{}, nil
}

// leaveWriter moves the writer role to the best candidate.
func (c *Ctl) leaveWriter(ctx context.Context, cl topology.Cluster, name string) (answer, error) {
	target, err := c.pick(cl, "")
	if err != nil {
		return answer{}, err
	}
	if err := c.confirm(fmt.Sprintf("%s is the writer. Move the writer to %s and set %s offline?", name, target, name), target); err != nil {
		return answer{}, err
	}
	return c.move(ctx, cl, target)
}

// want writes down what the operator wants of a host.
func (c *Ctl) want(ctx context.Context, cl topology.Cluster, name string, w topology.Want) error {
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	intent := topology.Intent{Want: w, Who: c.Who, Why: c.Reason, Since: c.now()}
	if _, err := c.Store.SetIntent(call, name, cl.Intents[name].Rev, intent); err != nil {
		return err
	}
	c.record(ctx, cl, "set %s %s", name, w)
	return nil
}

// awaitState waits until a host is in the state, and tells what keeps it.
func (c *Ctl) awaitState(ctx context.Context, name string, want topology.State) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	begun, told := c.now(), topology.Reason("")
	for {
		cl, err := c.loadScope(ctx, name)
		if err == nil {
			state, why := topology.Classify(cl, name, c.now())
			if state == want {
				return nil
			}
			if why != told {
				c.note("  %s is %s: %s", name, state, why)
				told = why
			}
		}
		if !c.pause(ctx) {
			break
		}
	}
	return &Error{Exit: ExitTimeout, Text: fmt.Sprintf("%s is not %s after %s: %s; the wish stands and its agent goes on trying", name, want, c.now().Sub(begun).Round(100*time.Millisecond), told)}
}
