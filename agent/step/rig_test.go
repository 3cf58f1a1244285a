package step

import (
	"net/netip"
	"testing"

	"github.com/mmm-ha/mmm/topology"
	"github.com/mmm-ha/mmm/topology/gtid"
)

// What the tests are about: host db1 in epoch 7.
const (
	self    = "db1"
	selfID  = topology.HostID("id-1")
	epoch   = topology.Rev(7)
	leaseID = topology.LeaseID(0x11)
	oddRun  = topology.Incarnation("odd")
)

var (
	db1 = netip.MustParseAddr("192.0.2.1")
	db2 = netip.MustParseAddr("192.0.2.2")
)

func newState() *State { return New(self, selfID, "me", 0) }

// cluster is what etcd says while db1 reigns and db2 acknowledges.
func cluster() topology.Cluster {
	spec := topology.Spec{ID: "c-1", Cluster: "t", Hosts: []topology.HostSpec{
		{Name: self, Address: db1, Mode: topology.Master, Port: 3306, ReplicationPort: 3307, Interface: "eth0", Weight: 1},
		{Name: "db2", Address: db2, Mode: topology.Master, Port: 3306, ReplicationPort: 3307, Interface: "eth0", Weight: 1},
	}}
	return topology.Cluster{
		Rev:    50,
		Spec:   topology.Entry[topology.Spec]{Value: spec, Rev: 1},
		Writer: topology.Entry[topology.Writer]{Rev: epoch, Lease: leaseID, Value: topology.Writer{ID: selfID, Name: self, Agent: "me/1"}},
		Reign: topology.Entry[topology.Reign]{Rev: 8, Value: topology.Reign{Epoch: epoch, ID: selfID, Name: self, Incarnation: oddRun, W: 1,
			Ackers: map[topology.HostID]topology.Incarnation{"id-2": "run-2"}}},
		Hosts: map[topology.HostID]topology.Entry[topology.Report]{},
	}
}

func pos(t *testing.T, text string) gtid.Set {
	t.Helper()
	set, err := gtid.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
