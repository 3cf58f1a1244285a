package lab

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mmm-ha/mmm/internal/certs/certstest"
)

// Bed is a running test bed. Its methods may be called from many goroutines,
// but faults on the same host should come one after the other.
type Bed struct {
	options   Options
	machines  []*machine // in the order of Options.Hosts
	net       *network
	authority *certstest.Authority // nil: no TLS
	prestart  bool                 // mmmagent knows how to prepare a start of mysqld (R14)
	made      bool                 // the work directory did not exist before
}

// New makes a bed and starts what Options.Parts says. It works only inside a
// world (see World) and returns when everything answers. On an error all that
// it had started is gone again; with Keep the files stay.
func New(ctx context.Context, o Options) (*Bed, error) {
	if !InWorld() {
		return nil, errors.New("make bed: this process is not pid 1 of a world; call lab.Main first and start with lab.World")
	}
	_, err := os.Stat(o.Work)
	made := o.Work == "" || errors.Is(err, os.ErrNotExist)
	if o, err = o.withDefaults(); err != nil {
		return nil, fmt.Errorf("make bed: %w", err)
	}
	b := &Bed{options: o, made: made}
	for _, h := range o.Hosts {
		m := &machine{Host: h, dir: filepath.Join(o.Work, h.Name), logDir: filepath.Join(o.Work, "log")}
		if h.Database() {
			if m.db, err = openDB(m); err != nil {
				return nil, fmt.Errorf("make bed: %w", err)
			}
		}
		b.machines = append(b.machines, m)
	}
	if err := b.up(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("make bed: %w", err), b.Close())
	}
	return b, nil
}

// up builds the bed from the ground.
func (b *Bed) up(ctx context.Context) error {
	tell := b.options.Progress
	template, err := b.template(ctx)
	if err != nil {
		return err
	}
	if template != b.options.Template {
		defer os.RemoveAll(template)
	}
	tell("work directory " + b.options.Work + remark(b.options.Work))
	if err := b.install(ctx); err != nil {
		return err
	}
	if b.net, err = newNetwork(ctx, markRules(b.options)); err != nil {
		return err
	}
	tell(fmt.Sprintf("switching on %d hosts", len(b.machines)))
	if err := b.each(func(m *machine) error { return b.powerOn(ctx, m) }); err != nil {
		return err
	}
	parts := b.options.Parts
	if parts.Has(MySQL) {
		if err := b.each(func(m *machine) error { return b.installMySQL(ctx, m, template) }); err != nil {
			return err
		}
	}
	applied := false
	for _, step := range []struct {
		part  Parts
		say   string
		start func(context.Context, *machine) error
	}{
		{MySQL, "starting mysqld", b.startMySQL},
		{Etcd, "starting etcd", b.startEtcd},
		{Agents, "starting routers", b.startRouter},
		{Agents, "starting agents", b.startAgent},
	} {
		if !parts.Has(step.part) {
			continue
		}
		if step.part == Agents && !applied {
			applied = true
			if err := b.applyClusterFile(ctx); err != nil {
				return err
			}
		}
		tell(step.say)
		if err := b.each(func(m *machine) error { return step.start(ctx, m) }); err != nil {
			return err
		}
	}
	if parts.Has(Cluster) {
		return b.openCluster(ctx)
	}
	return nil
}

// remark says what a work directory in memory means.
func remark(dir string) string {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.TMPFS_MAGIC {
		return ""
	}
	return " (in memory: an fsync of etcd or mysqld costs nothing there; choose a directory on a disk to measure one)"
}

// install puts every file of the bed in place; nothing runs yet.
func (b *Bed) install(ctx context.Context) error {
	o := b.options
	if err := os.MkdirAll(filepath.Join(o.Work, "log"), 0o755); err != nil {
		return fmt.Errorf("make log directory: %w", err)
	}
	if o.BinDir != "" {
		b.prestart = exec.CommandContext(ctx, b.agentBin(), "prestart", "--help").Run() == nil
	}
	if err := errors.Join(b.writeClusterFile(), b.makeCertificates()); err != nil {
		return err
	}
	return b.each(func(m *machine) error {
		if err := os.Mkdir(m.dir, 0o755); err != nil {
			return fmt.Errorf("make directory of %s: %w (is there another bed in this work directory?)", m.Name, err)
		}
		m.mine = true
		if m.Etcd {
			if err := b.writeEtcdFile(m); err != nil {
				return err
			}
		}
		if m.Router {
			return errors.Join(b.writeAgentFiles(m), b.writeRouterFiles(m))
		}
		if !m.Database() {
			return nil
		}
		if err := b.writeAgentFiles(m); err != nil || !o.Disks {
			return err
		}
		return b.makeDisk(ctx, m)
	})
}

// template is the datadir that all hosts copy, made when it is not given.
func (b *Bed) template(ctx context.Context) (string, error) {
	o := b.options
	if !o.Parts.Has(MySQL) || o.Template != "" {
		return o.Template, nil
	}
	o.Progress("making the template of the datadirs")
	template := filepath.Join(o.Work, "template")
	return template, MakeTemplate(ctx, template)
}

// powerOn starts the init of a host and connects it to the switch.
func (b *Bed) powerOn(ctx context.Context, m *machine) error {
	boot, err := m.powerOn(ctx, b.options.Cgroups)
	if err != nil {
		return err
	}
	if err := b.net.plug(m.Host, boot.pid); err != nil || !b.options.Disks || !m.Database() {
		return err
	}
	return b.mountDisk(ctx, m)
}

// Close ends everything on the bed at once and removes its files, unless Keep.
func (b *Bed) Close() error {
	err := b.each(func(m *machine) error {
		if m.db != nil {
			_ = m.db.Close()
		}
		_, err := m.powerOff()
		return err
	})
	if b.net != nil {
		err = errors.Join(err, b.net.close())
		b.net = nil
	}
	if b.options.Keep {
		return err
	}
	for _, m := range b.machines {
		if m.mine {
			err = errors.Join(err, os.RemoveAll(m.dir))
		}
	}
	err = errors.Join(err, os.RemoveAll(filepath.Join(b.options.Work, "log")), os.RemoveAll(b.tlsDir()))
	_ = os.Remove(b.ClusterFile())
	if b.made {
		// Somebody may have put own files there; they stay, and so does the directory.
		_ = os.Remove(b.options.Work)
	}
	return err
}

// each runs f for every host at once and joins the errors.
func (b *Bed) each(f func(*machine) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(b.machines))
	for i, m := range b.machines {
		wg.Go(func() { errs[i] = f(m) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (b *Bed) machine(name string) (*machine, error) {
	for _, m := range b.machines {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("there is no host %q on this bed", name)
}

// Hosts are the machines of the bed.
func (b *Bed) Hosts() []Host { return b.options.Hosts }

// Dir is the directory of a host: data, my.cnf, agent.yaml, mysqld.sock. It
// survives KillHost as a disk does.
func (b *Bed) Dir(host string) string { return filepath.Join(b.options.Work, host) }

// Log is the path of a process' log; what is mysqld, agent, etcd or host (the init).
func (b *Bed) Log(host, what string) string {
	return filepath.Join(b.options.Work, "log", host+"."+what+".log")
}

// DB is the administrator's database handle of a host, over its unix socket.
// It belongs to the bed; it works again after a restart of mysqld. A frozen
// mysqld holds a query until its context ends.
func (b *Bed) DB(host string) (*sql.DB, error) {
	m, err := b.machine(host)
	if err != nil {
		return nil, err
	}
	if m.db == nil {
		return nil, fmt.Errorf("host %s has no database", host)
	}
	return m.db, nil
}

// Exec runs a command on a host, in all its namespaces, and returns what it
// printed on both outputs. The error of a command that ended unwell wraps
// *exec.ExitError. When ctx ends the command is killed.
func (b *Bed) Exec(ctx context.Context, host string, argv ...string) ([]byte, error) {
	m, err := b.machine(host)
	if err != nil {
		return nil, err
	}
	boot, err := m.up()
	if err != nil {
		return nil, err
	}
	if len(argv) == 0 {
		return nil, errors.New("run command: it is empty")
	}
	enter := EnterHost(boot.pid)
	cmd := exec.CommandContext(ctx, enter[0], append(enter[1:], argv...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// nsenter and the command itself share a process group: both must go.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = initAnswers
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("run %q on %s: %w", argv, host, err)
	}
	return out.Bytes(), nil
}

// EnterHost is the beginning of a command line that runs what follows on the
// host whose init has this pid, as seen from within the world.
func EnterHost(pid int) []string {
	return []string{"nsenter", "-t", strconv.Itoa(pid), "-n", "-m", "-u", "-i", "-p", "--"}
}

// Ctl runs mmmctl on the client host, or on the first host when there is no
// client, with the endpoints of the bed, and returns what it printed.
func (b *Bed) Ctl(ctx context.Context, args ...string) ([]byte, error) {
	host := b.ctlHost()
	return b.Exec(ctx, host, append(b.ctlCommand(host), args...)...)
}

func (b *Bed) ctlHost() string {
	if m, err := b.machine(ClientHost); err == nil {
		return m.Name
	}
	return b.machines[0].Name
}
