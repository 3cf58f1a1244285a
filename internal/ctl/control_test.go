package ctl

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/store"
	"github.com/mmm-ha/mmm/topology"
)

// TestControlSpeaksMMM compares what mmm_control says with MMM's own sentences.
func TestControlSpeaksMMM(t *testing.T) {
	none := func(*topology.Cluster) {}
	passive := func(c *topology.Cluster) { mode(c, topology.Passive) }
	for _, tt := range []struct {
		name   string
		change func(c *topology.Cluster)
		agents []func(c *topology.Cluster)
		args   string
		want   string
		exit   Exit
	}{
		{"ping", none, nil, "ping", "OK: Pinged successfully!", ExitOK},
		{"mode", none, nil, "mode", "ACTIVE", ExitOK},
		{"mode passive", passive, nil, "mode", "PASSIVE", ExitOK},
		{"set_active again", none, nil, "set_active", "OK: Already in active mode.", ExitOK},
		{"set_active", passive, nil, "set_active", "OK: Switched into active mode.", ExitOK},
		{"set_manual", none, nil, "set_manual", "OK: Switched into manual mode.", ExitOK},
		{"set_passive", none, nil, "set_passive", "OK: Switched into passive mode.", ExitOK},
		{"set_passive again", passive, nil, "set_passive", "OK: Already in passive mode.", ExitOK},
		{"set_online", func(c *topology.Cluster) { restarted(c, "db4") }, nil, "set_online db4", "OK: State of 'db4' changed to ONLINE. Now you can wait some time and check its new roles!", ExitOK},
		{"set_online again", none, nil, "set_online db4", "OK: This host is already ONLINE. Skipping command.", ExitOK},
		{"set_online of a dead host", func(c *topology.Cluster) { lost(c, "db4") }, nil, "set_online db4", "ERROR: Host 'db4' is 'HARD_OFFLINE' at the moment. It can't be switched to ONLINE.", ExitRefused},
		{"set_online without mysqld", func(c *topology.Cluster) { offlined(c, "db4"); fail(c, "db4", topology.CheckMySQL, "dead") }, nil, "set_online db4", "ERROR: Checks ping and/or mysql are not ok for host 'db4'. It can't be switched to ONLINE.", ExitRefused},
		{"set_online without an agent", func(c *topology.Cluster) { offlined(c, "db4"); lost(c, "db4") }, nil, "set_online db4", "ERROR: Can't reach agent daemon on 'db4'! Can't switch its state!", ExitRefused},
		{"set_online of nobody", none, nil, "set_online db9", "ERROR: Unknown host name 'db9'!", ExitNotFound},
		{"set_offline", none, nil, "set_offline db4", "OK: State of 'db4' changed to ADMIN_OFFLINE. Now you can wait some time and check all roles!", ExitOK},
		{"set_offline of the writer", none, moved(), "set_offline db1", "OK: State of 'db1' changed to ADMIN_OFFLINE. Now you can wait some time and check all roles!", ExitOK},
		{"set_offline again", func(c *topology.Cluster) { offlined(c, "db4") }, nil, "set_offline db4", "OK: This host is already ADMIN_OFFLINE. Skipping command.", ExitOK},
		{"set_offline of a restarted host", func(c *topology.Cluster) { restarted(c, "db4") }, nil, "set_offline db4", "ERROR: Host 'db4' is 'AWAITING_RECOVERY' at the moment. It can't be switched to ADMIN_OFFLINE.", ExitRefused},
		{"set_offline without an agent", func(c *topology.Cluster) { lost(c, "db4") }, nil, "set_offline db4", "ERROR: Can't reach agent daemon on 'db4'! Can't switch its state!", ExitRefused},
		{"move_role", none, moved(), "move_role writer db2", "OK: Role 'writer' has been moved from 'db1' to 'db2'. Now you can wait some time and check new roles info!", ExitOK},
		{"move_role again", none, nil, "move_role writer db1", "OK: Role is on 'db1' already. Skipping command.", ExitOK},
		{"move_role to a dead host", func(c *topology.Cluster) { lost(c, "db2") }, nil, "move_role writer db2", "ERROR: Can't move role to host with state HARD_OFFLINE.", ExitRefused},
		{"move_role to a slave", none, nil, "move_role writer db3", "ERROR: Host 'db3' can't handle role 'writer'. Only following hosts could: db1, db2", ExitRefused},
		{"move_role of nothing", none, nil, "move_role wibble db2", "ERROR: Unknown role name 'wibble'!", ExitNotFound},
		{"move_role to nobody", none, nil, "move_role writer db9", "ERROR: Unknown host name 'db9'!", ExitNotFound},
		{"move_role in passive mode", passive, nil, "move_role writer db2", "ERROR: This command is not allowed in passive mode", ExitRefused},
		{"move_role --force of readers", none, nil, "move_role --force reader db2", "ERROR: move_role --forced may be used for the active master role only!", ExitRefused},
		{"move_role --force to a well host", none, nil, "move_role --force writer db2", "ERROR: Can't force move of role to host with state ONLINE.", ExitRefused},
		{"set_ip", passive, nil, "set_ip 192.0.2.110 db4", "OK: Set role 'reader(192.0.2.110)' to host 'db4'.", ExitOK},
		{"set_ip in active mode", none, nil, "set_ip 192.0.2.110 db4", "ERROR: This command is only allowed in passive mode", ExitRefused},
		{"set_ip of an unknown address", passive, nil, "set_ip 192.0.2.99 db4", "ERROR: Unknown ip '192.0.2.99'!", ExitNotFound},
		{"set_ip to a dead host", func(c *topology.Cluster) { passive(c); lost(c, "db4") }, nil, "set_ip 192.0.2.110 db4", "ERROR: Host 'db4' is 'HARD_OFFLINE' at the moment. Can't move role with ip '192.0.2.110' there.", ExitRefused},
		{"checks of an unknown check", none, nil, "checks all disk", "ERROR: Unknown check 'disk'!", ExitNotFound},
		{"checks of an unknown host", none, nil, "checks db9", "ERROR: Unknown host name 'db9'!", ExitNotFound},
		{"help", none, nil, "help", strings.TrimSpace(controlHelp), ExitOK},
		{"nonsense", none, nil, "wibble db1", "Invalid command 'wibble db1'\n\n" + strings.TrimSpace(controlHelp), ExitUsage},
		{"too few words", none, nil, "set_online", "Invalid command 'set_online'\n\n" + strings.TrimSpace(controlHelp), ExitUsage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl := shop()
			tt.change(&cl)
			b := newBench(t, cl)
			b.store.agents = tt.agents
			err := b.Control(context.Background(), strings.Fields(tt.args))
			if got := strings.TrimSpace(b.out.String()); got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if ExitOf(err) != tt.exit {
				t.Errorf("exit code %d, want %d (%v)", ExitOf(err), tt.exit, err)
			}
			if b.err.Len() > 0 {
				t.Errorf("chatter: %s", b.err)
			}
		})
	}
}

// offlined makes a host ADMIN_OFFLINE.
func offlined(c *topology.Cluster, name string) {
	c.Intents[name] = entry(topology.Intent{Want: topology.WantOffline, Since: noon}, 40)
}

func TestControlSaysMMMsLineWhenEtcdIsGone(t *testing.T) {
	b := newBench(t, shop())
	b.store.err = fmt.Errorf("%w: http://127.0.0.1:2379: connection refused", store.ErrUnreachable)
	err := b.Control(context.Background(), []string{"show"})
	if ExitOf(err) != ExitUnreachable || b.out.String() != "ERROR: Can't connect to monitor daemon!\n" {
		t.Errorf("exit code %d, %q", ExitOf(err), b.out)
	}
	if !strings.Contains(b.err.String(), "http://127.0.0.1:2379") {
		t.Errorf("the endpoint is not named: %q", b.err)
	}
}
