package lab

import (
	"net/netip"
	"os"
	"strings"
	"testing"
)

// binaries are options of the whole cluster with the programs in MMM_BIN.
func binaries(t *testing.T, parts Parts) Options {
	t.Helper()
	Require(t, "netns", "mariadb", "etcd")
	return Options{Parts: parts, BinDir: os.Getenv("MMM_BIN")}
}

func TestEtcdKeepsItsQuorumWithOneMemberDeadOrFrozen(t *testing.T) {
	b := newBed(t, binaries(t, Etcd))
	ctx := testContext(t)
	healthy := func(host string) bool {
		m, err := b.machine(host)
		must(t, err)
		ok, _ := b.etcdHealthy(ctx, m)
		return ok
	}
	must(t, b.KillEtcd(ctx, "db1"))
	must(t, until(ctx, serverStarts, "the others have a leader", func() (bool, error) { return healthy("db2") && healthy("db3"), nil }))
	if healthy("db1") {
		t.Error("a killed member answers")
	}
	must(t, b.StartEtcd(ctx, "db1"))
	must(t, b.Freeze(ctx, "db2", UnitEtcd))
	must(t, until(ctx, serverStarts, "the others have a leader", func() (bool, error) { return healthy("db1") && healthy("db3"), nil }))
	must(t, b.Thaw(ctx, "db2", UnitEtcd))
	must(t, until(ctx, serverStarts, "db2 is back", func() (bool, error) { return healthy("db2"), nil }))
}

func TestEndpointsNameTheNearestMemberFirst(t *testing.T) {
	b := &Bed{}
	for _, h := range DefaultHosts() {
		b.machines = append(b.machines, &machine{Host: h})
	}
	tests := []struct{ name, host, want string }{
		{"own member", "db2", "162 161 164"},
		{"no member", "db4", "164 161 162"},
		{"client", ClientHost, "164 161 162"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.NewReplacer("http://192.0.2.", "", ":2379", "").Replace(strings.Join(b.Endpoints(tt.host), " "))
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func TestWholeClusterComesUpAndSurvivesItsWritersCrash(t *testing.T) {
	b := newBed(t, binaries(t, All))
	ctx := testContext(t)
	vip := netip.MustParseAddr("192.0.2.113")
	before, err := b.askVIP(ctx, vip)
	must(t, err)
	must(t, b.KillMysqld(ctx, "db1", false))
	must(t, until(ctx, clusterOpens, "another host is writer", func() (bool, error) {
		now, err := b.askVIP(ctx, vip)
		return now.serverID != before.serverID && !now.readOnly, err
	}))
	must(t, b.StartMysqld(ctx, "db1"))
}
