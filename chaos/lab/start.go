package lab

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Names of the units of a host, for Freeze, Thaw, Status and Log.
const (
	UnitMySQL = "mysqld"
	UnitAgent = "agent"
	UnitEtcd  = "etcd"

	UnitRouter = "mmmrouter"
)

// Delays before the init starts what ended unasked. That of mysqld is short on
// purpose: a restart within a lease is the dangerous one (R19). That of the
// agent must be short, as in its systemd unit: within the lease the new agent
// goes on where the old one stopped.
const (
	mysqldDelay = 100 * time.Millisecond
	agentDelay  = 100 * time.Millisecond
	etcdDelay   = time.Second
)

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, err)
	}
	return path, nil
}

func (b *Bed) agentBin() string { return filepath.Join(b.options.BinDir, "mmmagent") }

// ctlCommand is mmmctl with the endpoints of this bed.
func (b *Bed) ctlCommand(host string) []string {
	words := []string{filepath.Join(b.options.BinDir, "mmmctl"), "--cluster", b.options.Cluster,
		"--endpoints", strings.Join(b.Endpoints(host), ",")}
	if !b.options.TLS {
		return words
	}
	f := b.Certificates(host)
	return append(words, "--cacert", f.CA, "--cert", f.Cert, "--key", f.Key)
}

// startMySQL starts mysqld, if the host has one, and waits until it answers.
func (b *Bed) startMySQL(ctx context.Context, m *machine) error {
	if !m.Database() {
		return nil
	}
	u, err := b.mysqldUnit(m)
	if err != nil {
		return err
	}
	if _, err := m.ask(ctx, request{Op: "start", Spec: u}); err != nil {
		return err
	}
	return b.awaitMySQL(ctx, m)
}

// startEtcd starts the member, if the host has one, and waits until it is in a
// cluster with a leader. Members must be started together the first time.
func (b *Bed) startEtcd(ctx context.Context, m *machine) error {
	if !m.Etcd {
		return nil
	}
	if err := b.launchEtcd(ctx, m); err != nil {
		return err
	}
	return until(ctx, serverStarts, "etcd on "+m.Name+" is healthy (its log: "+m.log(UnitEtcd)+")", func() (bool, error) {
		return b.etcdHealthy(ctx, m)
	})
}

// launchEtcd starts the member and waits for nothing.
func (b *Bed) launchEtcd(ctx context.Context, m *machine) error {
	_, err := m.ask(ctx, request{Op: "start", Spec: unitSpec{
		Name:  UnitEtcd,
		Argv:  []string{b.agentBin(), "etcd", "--config", filepath.Join(m.dir, "etcd.yaml")},
		Log:   m.log(UnitEtcd),
		Delay: etcdDelay,
	}})
	return err
}

func (b *Bed) etcdHealthy(ctx context.Context, m *machine) (bool, error) {
	by, err := b.certs(m.Name)
	if err != nil {
		return false, err
	}
	transport := &http.Transport{DialContext: (&Dialer{machine: m}).DialContext, DisableKeepAlives: true, TLSClientConfig: by.Client()}
	client := http.Client{Transport: transport, Timeout: initAnswers}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.urlOf(m.Address, etcdClientPort)+"/health", nil)
	if err != nil {
		return false, err
	}
	answer, err := client.Do(r)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
	if err != nil {
		return false, err
	}
	if answer.StatusCode != http.StatusOK {
		return false, fmt.Errorf("%s: %s", answer.Status, text)
	}
	return true, nil
}

// startAgent starts the agent, if the host has one, and sees that it stays up.
func (b *Bed) startAgent(ctx context.Context, m *machine) error {
	if !m.Agent() {
		return nil
	}
	u := unitSpec{
		Name:  UnitAgent,
		Argv:  []string{b.agentBin(), "run", "--config", filepath.Join(m.dir, "agent.yaml")},
		Log:   m.log(UnitAgent),
		Delay: agentDelay,
	}
	if _, err := m.ask(ctx, request{Op: "listen", Name: filepath.Join(m.dir, "service")}); err != nil {
		return err
	}
	if _, err := m.ask(ctx, request{Op: "start", Spec: u}); err != nil {
		return err
	}
	return b.awaitUnit(ctx, m, UnitAgent)
}

// startRouter starts mmmrouter, if the host has one, and sees that it stays up.
func (b *Bed) startRouter(ctx context.Context, m *machine) error {
	if !m.Router {
		return nil
	}
	u := unitSpec{
		Name:  UnitRouter,
		Argv:  []string{filepath.Join(b.options.BinDir, "mmmrouter"), "run", "--config", filepath.Join(m.dir, "mmmrouter.yaml")},
		Log:   m.log(UnitRouter),
		Delay: agentDelay,
	}
	if _, err := m.ask(ctx, request{Op: "start", Spec: u}); err != nil {
		return err
	}
	return b.awaitUnit(ctx, m, UnitRouter)
}

// awaitUnit waits until a unit has run for a moment without ending.
func (b *Bed) awaitUnit(ctx context.Context, m *machine, name string) error {
	const settled = 100 * time.Millisecond
	var since time.Time
	pid := 0
	return until(ctx, serverStarts, name+" runs on "+m.Name+" (its log: "+m.log(name)+")", func() (bool, error) {
		u, err := m.unit(ctx, name)
		if err != nil {
			return false, err
		}
		if u.PID == 0 || u.Starting {
			pid = 0
			return false, fmt.Errorf("it ended: %s", u.LastEnd)
		}
		if u.PID != pid {
			pid, since = u.PID, time.Now()
		}
		return time.Since(since) >= settled, nil
	})
}

const (
	// clusterOpens is generous: it only ends a wait for a cluster that will not open.
	clusterOpens = 60 * time.Second
	tellEvery    = 2 * time.Second
)

// applyClusterFile stores the cluster file in etcd; an agent does not start
// without one.
func (b *Bed) applyClusterFile(ctx context.Context) error {
	return b.order(ctx, "apply", "-f", b.ClusterFile())
}

// openCluster names the first host that may be writer the first writer and
// waits until every VIP answers.
func (b *Bed) openCluster(ctx context.Context) error {
	first := ""
	for _, m := range b.machines {
		if m.Mode == "master" {
			first = m.Name
			break
		}
	}
	if err := b.order(ctx, "init", "--writer", first); err != nil {
		return err
	}
	if err := b.AwaitVIPs(ctx, clusterOpens); err != nil {
		return err
	}
	return b.awaitSpread(ctx)
}

// awaitSpread waits until the reader VIPs are on as many hosts as can be, which
// needs every replica to be trusted and up to date.
func (b *Bed) awaitSpread(ctx context.Context) error {
	databases := 0
	for _, h := range b.options.Hosts {
		if h.Database() {
			databases++
		}
	}
	want := min(databases, len(b.options.ReaderVIPs))
	b.options.Progress(fmt.Sprintf("all VIPs answer; waiting until %d hosts serve readers", want))
	return until(ctx, clusterOpens, fmt.Sprintf("%d hosts serve readers", want), func() (bool, error) {
		serve := make(map[int]bool)
		for _, vip := range b.options.ReaderVIPs {
			answer, err := b.askVIP(ctx, vip)
			if err != nil {
				return false, fmt.Errorf("reader VIP %v: %w", vip, err)
			}
			serve[answer.serverID] = true
		}
		return len(serve) >= want, nil
	})
}

// order gives mmmctl an order until it is accepted: right after the start the
// agents may not have reported yet.
func (b *Bed) order(ctx context.Context, args ...string) error {
	b.options.Progress("mmmctl " + strings.Join(args, " "))
	return until(ctx, clusterOpens, "mmmctl "+args[0]+" is accepted", func() (bool, error) {
		out, err := b.Ctl(ctx, append(args, "--yes")...)
		if err != nil {
			return false, fmt.Errorf("%w: %s", err, out)
		}
		return true, nil
	})
}

// AwaitVIPs waits until a client can write through each writer VIP and read
// through each reader VIP, and tells Options.Progress which do not answer yet.
func (b *Bed) AwaitVIPs(ctx context.Context, limit time.Duration) error {
	told := time.Now()
	return until(ctx, limit, "all VIPs answer", func() (bool, error) {
		err := b.vipsAnswer(ctx)
		if err != nil && time.Since(told) > tellEvery {
			told = time.Now()
			b.options.Progress("waiting: " + err.Error())
		}
		return err == nil, err
	})
}

func (b *Bed) vipsAnswer(ctx context.Context) error {
	for _, vip := range b.options.WriterVIPs {
		if answer, err := b.askVIP(ctx, vip); err != nil {
			return fmt.Errorf("writer VIP %v: %w", vip, err)
		} else if answer.readOnly {
			return fmt.Errorf("writer VIP %v: its host is read-only", vip)
		}
	}
	for _, vip := range b.options.ReaderVIPs {
		if _, err := b.askVIP(ctx, vip); err != nil {
			return fmt.Errorf("reader VIP %v: %w", vip, err)
		}
	}
	return nil
}

// vipAnswers is how long one connection through a VIP may take.
const vipAnswers = time.Second

// vipAnswer is what the mysqld behind a VIP says of itself.
type vipAnswer struct {
	readOnly bool
	serverID int
}

// askVIP logs in through a VIP as an application of the client host.
func (b *Bed) askVIP(ctx context.Context, vip netip.Addr) (vipAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, vipAnswers)
	defer cancel()
	db, err := b.AppDB(b.ctlHost(), netip.AddrPortFrom(vip, ClientPort))
	if err != nil {
		return vipAnswer{}, err
	}
	defer db.Close()
	var a vipAnswer
	err = db.QueryRowContext(ctx, "SELECT @@read_only, @@server_id").Scan(&a.readOnly, &a.serverID)
	return a, err
}

// AppDB is a database handle of an application on a host of the bed, for an
// address such as a VIP with ClientPort. The caller closes it.
func (b *Bed) AppDB(host string, address netip.AddrPort) (*sql.DB, error) {
	d, err := b.Dialer(host)
	if err != nil {
		return nil, err
	}
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = AppUser, AppPassword, AppDatabase
	c.Net, c.Addr, c.DialFunc = "tcp", address.String(), d.DialContext
	c.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("configure connection to %v: %w", address, err)
	}
	return sql.OpenDB(connector), nil
}
