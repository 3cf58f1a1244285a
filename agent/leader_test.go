package agent

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

func TestHostsThatAreDownAreNotAskedToLeadEtcd(t *testing.T) {
	up, dead := topology.Entry[topology.Report]{Rev: 1}, topology.Entry[topology.Report]{Rev: 1}
	up.Value.Name, up.Value.MySQL.Up = "db2", true
	dead.Value.Name, dead.Value.MySQL.Why = "db3", "mysqld does not run"
	c := topology.Cluster{Hosts: map[topology.HostID]topology.Entry[topology.Report]{"2": up, "3": dead}}
	for i, name := range []string{"db1", "db2", "db3"} {
		c.Spec.Value.Hosts = append(c.Spec.Value.Hosts, topology.HostSpec{Name: name, Address: netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)})})
	}
	if got := hardOffline(c, time.Now()); !slices.Equal(got, []string{"192.0.2.1", "192.0.2.3"}) {
		t.Errorf("down are %v: db1 has no lease, db3 no mysqld", got)
	}
}
