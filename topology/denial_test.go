package topology

import "testing"

// The writer's agent and mysqld die together; the supervisor starts mysqld, which
// cuts off its last transactions and denies them to the replicas that attach
// again. Seen: all ackers gave up what they had received, and nobody was left to
// prove anything.
func TestSourceThatForgotItsOwnReignIsWrongAndNotItsReplicas(t *testing.T) {
	const denial = "IO thread: error 1236: Got fatal error 1236 from master when reading data from binary log: 'Error: connecting slave requested to start from GTID "
	const end = ", which is not in the master's binlog. Since the master's binlog contains GTIDs with higher sequence numbers, it probably means that the slave has diverged'"
	for gtid, want := range map[string]struct{ bad, proves bool }{
		"0-1-102": {bad: false, proves: true}, // by the writer of this reign, after its start
		"0-1-41":  {bad: true, proves: false}, // of a reign before
		"0-3-103": {bad: true, proves: false}, // by somebody else
	} {
		c := standsBeside(func(_ *Cluster, me, _ *Report) { me.Replication.IO, me.Replication.Error = "No", denial+gtid+end })
		if j := Judge(c, "db3"); j.Bad() != want.bad {
			t.Errorf("%s: %s (%s)", gtid, j.Standing, j.Why)
		}
		v := View{Cluster: c, ID: "id-db3", Probe: Probe{Up: true, Replication: Replication{IO: "No", Error: denial + gtid + end}}}
		c.Writer = Entry[Writer]{} // the election
		v.Cluster = c
		if got := v.unproven(); (got == "") != want.proves {
			t.Errorf("%s: its bid is broken by %q", gtid, got)
		}
	}
}
