package ctl

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/mmm-ha/mmm/internal/clusterfile"
	"github.com/mmm-ha/mmm/topology"
)

// Apply checks a cluster file, shows what it changes, and stores it. The name
// is only used in messages. Nothing is stored with dryRun, nor when the file
// has mistakes, nor when it would take the ground from under the writer.
func (c *Ctl) Apply(ctx context.Context, name string, data []byte, dryRun bool) error {
	return c.say(c.apply(ctx, name, data, dryRun))
}

func (c *Ctl) apply(ctx context.Context, name string, data []byte, dryRun bool) (answer, error) {
	next, err := clusterfile.Parse(name, data)
	if err != nil {
		var wrong *clusterfile.Error
		if errors.As(err, &wrong) {
			return answer{}, &Error{Exit: ExitError, Err: err, Text: fmt.Sprintf("%v\n%s in %s; nothing was changed", err, count(len(wrong.Problems), "mistake"), name)}
		}
		return answer{}, err
	}
	if c.Cluster != "" && next.Cluster != c.Cluster {
		return answer{}, refused("%s describes cluster %q, and this is about cluster %q", name, next.Cluster, c.Cluster)
	}
	cl, err := c.read(ctx)
	if err != nil {
		return answer{}, err
	}
	next.ID = cl.Spec.Value.ID
	if next.ID == "" {
		next.ID = c.newID()
	}
	changes := diff(cl.Spec.Value, next)
	if cl.Spec.Present() && len(changes) == 0 {
		return answer{text: fmt.Sprintf("cluster %s is as %s says already", next.Cluster, name)}, nil
	}
	if err := mayReplace(cl, next); err != nil {
		return answer{}, err
	}
	for _, line := range changes {
		c.note("%s", line)
	}
	if dryRun {
		return answer{text: fmt.Sprintf("%s would be made; nothing was changed (--dry-run)", count(len(changes), "change"))}, nil
	}
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	rev, err := c.Store.PutSpec(call, cl.Spec.Rev, next)
	if err != nil {
		return answer{}, err
	}
	c.record(ctx, cl, "applied a cluster file: %s", strings.Join(changes, "; "))
	if !cl.Spec.Present() {
		c.note("next: start mmmagent on every host, then `mmmctl init --writer HOST`")
	}
	return answer{text: fmt.Sprintf("cluster %s is stored at revision %d (%s)", next.Cluster, rev, count(len(changes), "change"))}, nil
}

func (c *Ctl) newID() string {
	if c.NewID != nil {
		return c.NewID()
	}
	return rand.Text()
}

// mayReplace refuses a file that the reign in progress would not survive.
func mayReplace(cl topology.Cluster, next topology.Spec) error {
	old := cl.Spec.Value
	if cl.Spec.Present() && next.Cluster != old.Cluster {
		return refused("a cluster cannot be renamed: it is %q and the file says %q", old.Cluster, next.Cluster)
	}
	if !cl.Writer.Present() {
		return nil
	}
	writer := cl.Writer.Value.Name
	before, _ := old.Host(writer)
	after, stays := next.Host(writer)
	switch {
	case !stays:
		return refused("the file has no host %s, and that is the writer; `mmmctl switchover` first", writer)
	case !after.MayWrite():
		return refused("the file says that %s may not be writer, and it is; `mmmctl switchover` first", writer)
	case after.Address != before.Address || after.Port != before.Port || after.ReplicationPort != before.ReplicationPort:
		return refused("the file changes the address or a port of %s, and that is the writer; `mmmctl switchover` first", writer)
	}
	left := 0
	for id := range cl.Reign.Value.Ackers {
		r, ok := cl.Hosts[id]
		if _, kept := next.Host(r.Value.Name); ok && kept {
			left++
		}
	}
	if len(cl.Reign.Value.Ackers) > 0 && left < cl.Reign.Value.W {
		return refused("no host would be left that acknowledges the commits of %s; remove hosts one at a time", writer)
	}
	return nil
}

// ConfigShow prints the cluster file as the cluster runs it, defaults filled in.
// With -o json it is the spec with its id.
func (c *Ctl) ConfigShow(ctx context.Context) error {
	cl, err := c.load(ctx)
	if err != nil {
		return err
	}
	if c.Format == JSON {
		return c.emit(struct {
			Kind string `json:"kind"`
			topology.Spec
		}{"Spec", cl.Spec.Value}, nil)
	}
	_, err = c.Out.Write(clusterfile.Print(cl.Spec.Value))
	return err
}
