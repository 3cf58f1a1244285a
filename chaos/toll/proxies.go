package toll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The targets, in the order of the tables.
const (
	Direct      = "direct"
	Haproxy     = "haproxy"
	MySQLRouter = "mysqlrouter"
	MMMRouter   = "mmmrouter"
	ProxySQL    = "proxysql"
)

// target is where clients connect to: a server, or a proxy before it.
type target struct {
	name    string
	what    string // one line for the page
	version string
	address netip.AddrPort
	proxy   *process // nil: there is none
	admin   string   // of mmmrouter: where its metrics are
	core    int      // that it is bound to; -1: none
}

// makeTargets starts every proxy. What was started is returned with an error, too.
func makeTargets(ctx context.Context, o Options, b *bed) ([]*target, error) {
	all := []*target{{
		name: Direct, what: "no proxy: clients connect to the writer", version: "MariaDB " + b.writer.version(ctx), address: b.writer.address, core: -1,
	}}
	makers := []func(context.Context, Options, *bed) (*target, error){makeHaproxy, makeMySQLRouter, makeMMMRouter, makeProxySQL}
	for _, make := range makers {
		t, err := make(ctx, o, b)
		if err != nil {
			return all, err
		}
		if t == nil {
			continue
		}
		all = append(all, t)
		if err := t.proxy.await(starts, func() error { return try(ctx, t.address) }); err != nil {
			return all, err
		}
	}
	return all, nil
}

// try logs in and reads through a proxy.
func try(ctx context.Context, a netip.AddrPort) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c, err := connect(ctx, a)
	if err != nil {
		return err
	}
	defer c.close()
	_ = c.conn.SetDeadline(time.Now().Add(2 * time.Second))
	return c.query("SELECT c FROM small WHERE id=1")
}

// program starts a proxy with a file of its own.
func (b *bed) program(name, file, text string, argv ...string) (*process, error) {
	if file != "" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return spawn(name, b.cores.proxy, argv...)
}

func makeHaproxy(ctx context.Context, _ Options, b *bed) (*target, error) {
	a, err := freeAddress()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "haproxy.cfg")
	p, err := b.program(Haproxy, file, fmt.Sprintf(`global
    maxconn %d
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen mysql
    bind %s
    server writer %s
`, b.most, a, b.writer.address), "haproxy", "-db", "-f", file)
	if err != nil {
		return nil, err
	}
	v := firstLine(ctx, "haproxy", "-v")
	if words := strings.Fields(v); len(words) > 2 {
		v = words[2]
	}
	return &target{name: Haproxy, what: "mode tcp, one server: it copies bytes", version: v, address: a, proxy: p, core: b.cores.proxy}, nil
}

// mysqlRouter is the command that runs it in a root of its own, on the libraries that
// were unpacked with it; its plugins look for theirs at fixed places.
func (o Options) mysqlRouter() ([]string, error) {
	loaders, err := filepath.Glob(filepath.Join(o.MySQLRouter, "usr/lib*/ld-linux-*.so.*"))
	if err != nil || len(loaders) == 0 {
		return nil, errors.Join(err, fmt.Errorf("there is no loader of programs in %s", o.MySQLRouter))
	}
	return []string{"chroot", o.MySQLRouter, strings.TrimPrefix(loaders[0], o.MySQLRouter), "/usr/bin/mysqlrouter"}, nil
}

func makeMySQLRouter(ctx context.Context, o Options, b *bed) (*target, error) {
	if o.MySQLRouter == "" {
		return nil, nil
	}
	a, err := freeAddress()
	if err != nil {
		return nil, err
	}
	inRoot, err := o.mysqlRouter()
	if err != nil {
		return nil, err
	}
	p, err := b.program(MySQLRouter, filepath.Join(o.MySQLRouter, "toll.conf"), fmt.Sprintf(`[DEFAULT]
logging_folder =
plugin_folder = /usr/lib/mysqlrouter/plugin
runtime_folder = /
data_folder = /
max_total_connections = %[3]d
[logger]
level = error
[routing:toll]
bind_address = 127.0.0.1
bind_port = %[1]d
destinations = %[2]s
routing_strategy = first-available
protocol = classic
client_ssl_mode = PASSTHROUGH
server_ssl_mode = AS_CLIENT
max_connections = %[3]d
`, a.Port(), b.writer.address, b.most), append(slices.Clip(inRoot), "-c", "/toll.conf")...)
	if err != nil {
		return nil, err
	}
	v := firstLine(ctx, append(slices.Clip(inRoot), "--version")...)
	if words := strings.Fields(v); len(words) > 3 {
		v = words[3]
	}
	return &target{name: MySQLRouter, what: "passes one server through: it splits nothing", version: v, address: a, proxy: p, core: b.cores.proxy}, nil
}

// makeMMMRouter runs ours with everything on that is on by default.
func makeMMMRouter(_ context.Context, o Options, b *bed) (*target, error) {
	a, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	users, file := filepath.Join(b.dir, "users.yaml"), filepath.Join(b.dir, "mmmrouter.yaml")
	if err := os.WriteFile(users, fmt.Appendf(nil, "users:\n  - {user: %s, password: %q}\n", user, password), 0o600); err != nil {
		return nil, err
	}
	p, err := b.program(MMMRouter, file, fmt.Sprintf(`cluster: %s
name: toll
etcd: {endpoints: ["http://%s"]}
listeners: [{address: %q, mode: split, tls: off}]
admin: %s
backend: {tls: off}
users: {file: %s}
limits: {connections: %d}
`, clusterName, b.registry.endpoint, a, admin, users, b.most), filepath.Join(o.BinDir, "mmmrouter"), "run", "--config", file, "--log-level", "error")
	if err != nil {
		return nil, err
	}
	return &target{
		name: MMMRouter, what: "splits reads and writes, follows every session's state, counts each kind of statement", version: o.Version,
		address: a, proxy: p, admin: admin.String(), core: b.cores.proxy,
	}, nil
}

func makeProxySQL(ctx context.Context, o Options, b *bed) (*target, error) {
	if o.ProxySQL == "" {
		return nil, nil
	}
	a, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, "proxysql")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(b.dir, "proxysql.cnf")
	p, err := b.program(ProxySQL, file, fmt.Sprintf(`datadir=%q
admin_variables= { admin_credentials="admin:admin" mysql_ifaces="%s" }
mysql_variables= { threads=%d max_connections=30000 interfaces="%s" monitor_enabled=false default_schema="%s" }
mysql_servers= ( { address="%s" port=%d hostgroup=0 max_connections=30000 }, { address="%s" port=%d hostgroup=1 max_connections=30000 } )
mysql_users= ( { username="%s" password="%s" default_hostgroup=0 max_connections=30000 } )
mysql_query_rules= ( { rule_id=1 active=1 match_digest="^SELECT.*FOR UPDATE" destination_hostgroup=0 apply=1 },
  { rule_id=2 active=1 match_digest="^SELECT" destination_hostgroup=1 apply=1 } )
`, dir, admin, b.cores.ofProxy(), a, schema, b.writer.address.Addr(), b.writer.address.Port(), b.reader.address.Addr(), b.reader.address.Port(), user, password),
		o.ProxySQL, "-f", "--idle-threads", "-D", dir, "-c", file)
	if err != nil {
		return nil, err
	}
	v := firstLine(ctx, o.ProxySQL, "--version")
	if words := strings.Fields(v); len(words) > 2 {
		v = words[2]
	}
	return &target{name: ProxySQL, what: "two rules: SELECT to the reader, the rest to the writer", version: v, address: a, proxy: p, core: b.cores.proxy}, nil
}

// firstLine is what a program says of itself; "unknown" when it says nothing.
func firstLine(ctx context.Context, argv ...string) string {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if line, _, _ := strings.Cut(string(out), "\n"); err == nil && line != "" {
		return line
	}
	return "unknown"
}

// Missing says what cannot be measured on this machine, and how to get it.
func (o Options) Missing() error {
	var errs []error
	for _, tool := range []string{"haproxy", "taskset", "mariadbd"} {
		if _, err := exec.LookPath(tool); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed: scripts/install-deps.sh --bench installs it (it starts no service)", tool))
		}
	}
	if o.MySQLRouter != "" {
		if _, err := os.Stat(filepath.Join(o.MySQLRouter, "usr/bin/mysqlrouter")); err != nil {
			errs = append(errs, fmt.Errorf("no MySQL Router in %s: scripts/unpack.sh sid mysql-router unpacks one and prints where", o.MySQLRouter))
		}
	}
	if _, err := os.Stat(filepath.Join(o.BinDir, "mmmrouter")); err != nil {
		errs = append(errs, fmt.Errorf("find mmmrouter: %w", err))
	}
	return errors.Join(errs...)
}
