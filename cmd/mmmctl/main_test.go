package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/mmm-ha/mmm/internal/ctl"
	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/internal/store/storetest"
	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

const file = `apiVersion: mmm/v1
cluster: shop
hosts:
  - {name: db1, address: 192.0.2.161, mode: master, priority: 1}
  - {name: db2, address: 192.0.2.162, mode: master, priority: 2}
roles:
  writer: {vips: [192.0.2.113]}
  reader: {vips: [192.0.2.111]}
`

// shell runs command lines with an environment and looks at what they print.
type shell struct {
	t        *testing.T
	env      map[string]string
	in       string
	terminal bool
	open     opener
}

func newShell(t *testing.T) *shell {
	// The settings of the machine that runs the tests must not matter.
	return &shell{t: t, env: map[string]string{"MMM_CONFIG": write(t, "none.yaml", "")}, open: openEtcd}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run returns the exit code, standard output and standard error.
func (s *shell) run(line string) (ctl.Exit, string, string) {
	s.t.Helper()
	var out, err bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	code := run(ctx, world{
		args: strings.Fields(line), in: strings.NewReader(s.in), out: &out, err: &err,
		getenv: func(k string) string { return s.env[k] }, terminal: s.terminal, who: "bob@ops2", open: s.open,
	})
	return code, out.String(), err.String()
}

// expect runs a line and wants an exit code and words in what it printed.
func (s *shell) expect(want ctl.Exit, line string, words ...string) string {
	s.t.Helper()
	code, out, err := s.run(line)
	if code != want {
		s.t.Errorf("%s: exit code %d, want %d\n%s%s", line, code, want, out, err)
	}
	for _, w := range words {
		if !strings.Contains(out+err, w) {
			s.t.Errorf("%s: %q is missing in\n%s%s", line, w, out, err)
		}
	}
	return out
}

func TestUsageErrorsExitWithTwoAndAHint(t *testing.T) {
	s := newShell(t)
	for _, line := range []string{
		"mmmctl wibble", "mmmctl status --wibble", "mmmctl set-online", "mmmctl status too many", "mmmctl status",
		"mmmctl -c shop status -o xml", "mmmctl -c shop mode sideways", "mmmctl apply", "mmmctl -c shop init",
		"mmmctl -c shop --timeout -1s status", "mmmctl -c shop --cert x status", "mmmctl --config /nowhere/x.yaml status",
		"mmmctl apply -f /nowhere/cluster.yaml",
	} {
		code, out, err := s.run(line)
		if code != ctl.ExitUsage || out != "" || !strings.HasPrefix(err, "mmmctl: ") {
			t.Errorf("%s: exit code %d, out %q, err %q", line, code, out, err)
		}
	}
	s.expect(ctl.ExitUsage, "mmmctl switchovr", `unknown command "switchovr"`, "switchover")
}

func TestSettingsPrecedence(t *testing.T) {
	named := write(t, "mmmctl.yaml", "cluster: file\nendpoints: [http://file:2379]\ntimeout: 10s\noutput: yaml\n")
	for _, tt := range []struct {
		name, line string
		env        map[string]string
		want       options
	}{
		{"defaults", "mmmctl -c x show", map[string]string{"MMM_CONFIG": write(t, "e.yaml", "")},
			options{Cluster: "x", Endpoints: []string{endpointDefault}, Timeout: timeoutDefault, Output: "table"}},
		{"file", "mmmctl show", map[string]string{"MMM_CONFIG": named},
			options{Cluster: "file", Endpoints: []string{"http://file:2379"}, Timeout: 10 * time.Second, Output: "yaml"}},
		{"file by flag", "mmmctl show --config " + named, nil,
			options{Cluster: "file", Endpoints: []string{"http://file:2379"}, Timeout: 10 * time.Second, Output: "yaml"}},
		{"environment over file", "mmmctl show", map[string]string{"MMM_CONFIG": named, "MMM_CLUSTER": "env", "MMM_ENDPOINTS": "http://a:1,http://b:2", "MMM_TIMEOUT": "20s", "MMM_OUTPUT": "json"},
			options{Cluster: "env", Endpoints: []string{"http://a:1", "http://b:2"}, Timeout: 20 * time.Second, Output: "json"}},
		{"flag over environment", "mmmctl show -c flag --endpoints http://flag:2379 --timeout 5s -o table", map[string]string{"MMM_CONFIG": named, "MMM_CLUSTER": "env", "MMM_ENDPOINTS": "http://a:1", "MMM_TIMEOUT": "20s", "MMM_OUTPUT": "json"},
			options{Cluster: "flag", Endpoints: []string{"http://flag:2379"}, Timeout: 5 * time.Second, Output: "table"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newShell(t)
			s.env = tt.env
			var got options
			s.open = func(o options) (cluster, error) { got = o; return cluster{}, errors.New("seen") }
			s.run(tt.line)
			if got.Cluster != tt.want.Cluster || strings.Join(got.Endpoints, " ") != strings.Join(tt.want.Endpoints, " ") || got.Timeout != tt.want.Timeout || got.Output != tt.want.Output {
				t.Errorf("got  %+v\nwant %+v", got, tt.want)
			}
		})
	}
}

func TestSettingsFileMistakeIsShown(t *testing.T) {
	s := newShell(t)
	s.env["MMM_CONFIG"] = write(t, "mmmctl.yaml", "endpoint: http://a:1\n")
	s.expect(ctl.ExitUsage, "mmmctl -c shop show", "endpoint", "unknown field")
}

func TestEveryCommandTeaches(t *testing.T) {
	a := &app{world: world{getenv: func(string) string { return "" }}}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s: short, long or example is missing", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(a.root())
	s := newShell(t)
	s.expect(ctl.ExitOK, "mmmctl --help", "Exit codes:", "Look:", "Act:", "Set up:")
	s.expect(ctl.ExitOK, "mmmctl switchover --help", "Refused when", "Examples:")
	s.expect(ctl.ExitOK, "mmmctl version", "mmmctl ")
	s.expect(ctl.ExitOK, "mmmctl version -o json", `"apiVersion":"mmm/v1"`)
	s.expect(ctl.ExitOK, "mmmctl completion bash", "__start_mmmctl")
	s.expect(ctl.ExitOK, "mmm_control @shop help", "Valid commands are:")
}

func TestConfigValidateNeedsNoEtcd(t *testing.T) {
	s := newShell(t)
	s.expect(ctl.ExitOK, "mmmctl config validate -f "+write(t, "cluster.yaml", file), "is a good cluster file: cluster shop, 2 hosts")
	s.expect(ctl.ExitError, "mmmctl config validate -f "+write(t, "cluster.yaml", strings.Replace(file, "address", "adress", 1)), `did you mean "address"?`, "^")
}

func TestUnreachableEtcdIsSaidWithinSeconds(t *testing.T) {
	s := newShell(t)
	begun := time.Now()
	s.expect(ctl.ExitUnreachable, "mmmctl -c shop --endpoints http://127.0.0.1:1 status",
		"cannot reach etcd: http://127.0.0.1:1", "connection refused", "--endpoints or MMM_ENDPOINTS")
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
	s.expect(ctl.ExitUnreachable, "mmm_control @shop show", "ERROR: Can't connect to monitor daemon!")
}

// TestWithRealEtcd goes the way of a new cluster: apply, init, look, act. The
// agents are played by the test.
func TestWithRealEtcd(t *testing.T) {
	etcd := storetest.Start(t)
	client, err := store.Open(t.Context(), store.Options{Endpoints: []string{etcd.Endpoint}, Cluster: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	s := newShell(t)
	s.env["MMM_ENDPOINTS"] = "http://" + etcd.Endpoint
	path := write(t, "cluster.yaml", file)

	s.expect(ctl.ExitNotFound, "mmmctl -c shop status", `no cluster "shop"`)
	s.expect(ctl.ExitOK, "mmmctl apply --dry-run -f "+path, "+ host db1", "nothing was changed")
	s.expect(ctl.ExitNotFound, "mmmctl -c shop status", `no cluster "shop"`)
	s.expect(ctl.ExitRefused, "mmmctl -c other apply -f "+path, `describes cluster "shop"`)
	s.expect(ctl.ExitOK, "mmmctl apply -f "+path, "cluster shop is stored", "mmmctl init --writer HOST")
	s.env["MMM_CLUSTER"] = "shop"
	s.expect(ctl.ExitOK, "mmmctl apply -f "+path, "is as")
	s.expect(ctl.ExitCrit, "mmmctl status --check", "CRIT: shop: there is no writer", "HARD_OFFLINE")
	s.expect(ctl.ExitRefused, "mmmctl init --writer db1", "start mmmagent there")

	agents(t, etcd, client)
	s.expect(ctl.ExitOK, "mmmctl init --writer db1", "writer is db1", "the first of shop")
	s.expect(ctl.ExitRefused, "mmmctl init --writer db1", "has had a writer (db1")
	s.expect(ctl.ExitOK, "mmmctl show", "db1(192.0.2.161) master/ONLINE. Roles: writer(192.0.2.113)", "db2(192.0.2.162) master/ONLINE. Roles: \n")
	s.expect(ctl.ExitWarn, "mmmctl status --check", "WARN: shop: db1 is the writer", "reader VIP 192.0.2.111 is served by nobody")
	s.expect(ctl.ExitOK, "mmmctl status -o json", `"etcdMembers": 0`, `"writer": "db1"`)
	s.expect(ctl.ExitUsage, "mmmctl switchover --to db2", "add --yes")
	s.in, s.terminal = "db1\n", true
	s.expect(ctl.ExitRefused, "mmmctl switchover --to db2", "Type db2 to confirm", "not confirmed")
	s.in = "db2\n"
	s.expect(ctl.ExitRefused, "mmmctl switchover --to db2 --reason test", "refused by the test's agent")
	s.expect(ctl.ExitOK, "mmmctl mode manual --reason work", "the mode is MANUAL now")
	s.expect(ctl.ExitOK, "mmm_control mode", "MANUAL")
	s.expect(ctl.ExitOK, "mmmctl set-passive", "the mode is PASSIVE now")
	s.expect(ctl.ExitOK, "mmm_control set_ip 192.0.2.111 db2", "OK: Set role 'reader(192.0.2.111)' to host 'db2'.")
	s.expect(ctl.ExitOK, "mmmctl unpin 192.0.2.111", "no longer pinned")
	s.expect(ctl.ExitOK, "mmm_control set_active", "OK: Switched into active mode.")
	s.expect(ctl.ExitRefused, "mmmctl set-offline db2", "the only host that acknowledges")
	s.expect(ctl.ExitOK, "mmmctl events -n 0", "bob@ops2 ordered: init to db1", "bob@ops2 switched from ACTIVE into MANUAL mode: work")
	if got := s.expect(ctl.ExitOK, "mmmctl __complete set-online "); !strings.Contains(got, "db1") {
		// Fields drops the empty last word that completion wants.
		_, got, _ = s.run("mmmctl __complete set-online d")
		if !strings.Contains(got, "db1\ndb2") {
			t.Errorf("completion gave %q", got)
		}
	}
	shown := s.expect(ctl.ExitOK, "mmmctl config show", "cluster: shop")
	s.expect(ctl.ExitOK, "mmmctl apply -f "+write(t, "again.yaml", shown), "already")
}

// agents plays two agents: both report well, db1 carries out an init and turns
// a switchover down.
func agents(t *testing.T, etcd *storetest.Etcd, client *store.Client) {
	t.Helper()
	grant, err := etcd.Client().Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	lease := topology.LeaseID(grant.ID)
	cl, err := client.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pos, err := gtid.Parse("0-1-10")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range cl.Spec.Value.Hosts {
		id, inc := topology.HostID("id-"+h.Name), topology.Incarnation("inc-"+h.Name)
		r := topology.Report{Name: h.Name, Address: h.Address, Lease: lease, Fence: "nftables", Incarnation: inc, MySQL: topology.Health{Up: true}, Position: pos, Received: pos}
		r.Replication = topology.Replication{Configured: h.Name != "db1", IO: "Yes", SQL: true, Attached: h.Name != "db1"}
		for _, name := range []string{topology.CheckPing, topology.CheckMySQL, topology.CheckThreads, topology.CheckBacklog} {
			r.Checks = append(r.Checks, topology.Check{Name: name, OK: true, Since: time.Now()})
		}
		if _, err := client.PutReport(t.Context(), lease, id, r); err != nil {
			t.Fatal(err)
		}
		if _, err := client.PutMemory(t.Context(), h.Name, 0, topology.Memory{ID: id, Cleared: inc}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := carryOut(ctx, client, lease); err != nil && ctx.Err() == nil {
				t.Errorf("the test's agent: %v", err)
				return
			}
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

func carryOut(ctx context.Context, client *store.Client, lease topology.LeaseID) error {
	cl, err := client.Load(ctx)
	if err != nil || !cl.Switchover.Present() || !cl.Switchover.Value.Step.Open() {
		return err
	}
	order := cl.Switchover.Value
	if order.Kind == topology.OrderSwitchover {
		order.Step, order.Outcome = topology.Aborted, "refused by the test's agent"
		_, err = client.AdvanceSwitchover(ctx, cl.Epoch(), cl.Switchover.Rev, order)
		return err
	}
	epoch, err := client.Campaign(ctx, store.CampaignRequest{
		Lease: lease, Incarnation: "inc-db1", Writer: topology.Writer{ID: "id-db1", Name: "db1"},
		Guards: store.Guards{}.Reign(0).Spec(cl.Spec.Rev).Mode(cl.Mode.Rev).Intent("db1", cl.Intents["db1"].Rev).Switchover(cl.Switchover.Rev),
	})
	if err != nil {
		return err
	}
	reign := topology.Reign{Epoch: epoch, ID: "id-db1", Name: "db1", Incarnation: "inc-db1", W: 1, Ackers: map[topology.HostID]topology.Incarnation{"id-db2": "inc-db2"}, Voters: []topology.HostID{"id-db1", "id-db2"}}
	if _, err := client.PutReign(ctx, epoch, 0, reign); err != nil {
		return err
	}
	if _, err := client.PutPhase(ctx, lease, epoch, topology.Phase{Epoch: epoch, Step: topology.Ready, Incarnation: "inc-db1"}); err != nil {
		return err
	}
	order.Step, order.Outcome = topology.Done, "db1 is the writer"
	_, err = client.AdvanceSwitchover(ctx, epoch, cl.Switchover.Rev, order)
	return err
}
