package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A host with Options.Cgroups lives in a control group of its own, in which the
// kernel can stop or kill all of it in one step: nothing on the host sees the
// others stop first, as it would with a signal to one process after the other.

// cgroupPrefix begins the names of our groups; an empty one that a killed world
// left behind is removed by the next bed.
const cgroupPrefix = "mmmlab-"

// cgroupRoots are where the unified hierarchy is mounted: on a modern system,
// and beside the older one.
var cgroupRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// cgroup is the control group of one life of a host.
type cgroup struct {
	dir string
	fd  *os.File // for clone3: the init is born in the group
}

// newCgroup makes a group and removes empty ones of dead worlds.
func newCgroup() (*cgroup, error) {
	root, err := cgroupRoot()
	if err != nil {
		return nil, err
	}
	sweepCgroups(root)
	dir := filepath.Join(root, cgroupPrefix+rand.Text()[:12])
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make control group: %w", err)
	}
	fd, err := os.Open(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open control group: %w", err), os.Remove(dir))
	}
	return &cgroup{dir: dir, fd: fd}, nil
}

// sweepCgroups removes empty groups of worlds that were killed. A young one may
// be empty because its host is just being started.
func sweepCgroups(root string) {
	const young = time.Minute
	left, _ := filepath.Glob(filepath.Join(root, cgroupPrefix+"*"))
	for _, dir := range left {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > young {
			_ = os.Remove(dir) // refused while anything lives in it
		}
	}
}

func cgroupRoot() (string, error) {
	for _, root := range cgroupRoots {
		var fs unix.Statfs_t
		if err := unix.Statfs(root, &fs); err == nil && fs.Type == unix.CGROUP2_SUPER_MAGIC {
			return root, nil
		}
	}
	return "", fmt.Errorf("find control groups: no unified hierarchy in %s", strings.Join(cgroupRoots, " or "))
}

func (g *cgroup) write(file, text string) error {
	if err := os.WriteFile(filepath.Join(g.dir, file), []byte(text), 0); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// is reports whether cgroup.events has a line such as "frozen 1".
func (g *cgroup) is(line string) (bool, error) {
	text, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	if err != nil {
		return false, fmt.Errorf("read cgroup.events: %w", err)
	}
	return strings.Contains(string(text), line+"\n"), nil
}

// kill ends everything in the group at once, frozen or not.
func (g *cgroup) kill() error { return g.write("cgroup.kill", "1") }

// close removes the group, which must be empty, or become so at once.
func (g *cgroup) close() error {
	defer g.fd.Close()
	for end := time.Now().Add(processEnds); ; time.Sleep(pollEvery) {
		err := os.Remove(g.dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("remove control group: %w", err)
		}
	}
}

// FreezeHost stops everything on a host in one step, as a pause of its virtual
// machine would, and returns when the kernel says that it stands still. It needs
// Options.Cgroups. The kernel's own timers go on: that is what a pause from
// outside would stop as well.
func (b *Bed) FreezeHost(ctx context.Context, host string) error {
	return b.freezeGroup(ctx, host, true)
}

// ThawHost ends a FreezeHost.
func (b *Bed) ThawHost(ctx context.Context, host string) error {
	return b.freezeGroup(ctx, host, false)
}

func (b *Bed) freezeGroup(ctx context.Context, host string, stop bool) error {
	m, err := b.machine(host)
	if err != nil {
		return err
	}
	boot, err := m.up()
	if err != nil {
		return err
	}
	if boot.group == nil {
		return fmt.Errorf("freeze host %s: the bed was made without Options.Cgroups", host)
	}
	word, line := "0", "frozen 0"
	if stop {
		word, line = "1", "frozen 1"
		m.setFrozen(true)
	}
	if err := boot.group.write("cgroup.freeze", word); err != nil {
		return fmt.Errorf("freeze host %s: %w", host, err)
	}
	err = until(ctx, processEnds, fmt.Sprintf("host %s is stopped: %t", host, stop), func() (bool, error) {
		return boot.group.is(line)
	})
	if err == nil && !stop {
		m.setFrozen(false)
	}
	return err
}
