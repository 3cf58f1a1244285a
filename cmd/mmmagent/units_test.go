package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units are those that start this program, with the most that systemd-analyze
// may find exposed, in tenths.
var units = map[string]string{"mmmagent": "23", "mmmagent-router": "21", "mmm-etcd": "15"}

func unit(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../../scripts/systemd/" + name + ".service")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The units are what is shipped; their binary is not installed where tests run.
func TestUnitsAreSuchAsSystemdTakes(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("MMM_REQUIRE") != "" {
			t.Fatal("systemd-analyze is not installed: it is in the package systemd")
		}
		t.Skip("SKIPPED, NOTHING PROVEN: systemd-analyze is not installed")
	}
	for name, exposed := range units {
		file := filepath.Join(t.TempDir(), name+".service")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(unit(t, name), "/usr/bin/mmmagent", os.Args[0])), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(analyze, "verify", file).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+exposed, file).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// A flag that is renamed is renamed in the units, too.
func TestUnitsCallTheProgramAsItIs(t *testing.T) {
	start := regexp.MustCompile(`(?m)^ExecStart=/usr/bin/mmmagent (.*)$`)
	for name := range units {
		m := start.FindStringSubmatch(unit(t, name))
		if m == nil {
			t.Errorf("%s does not start mmmagent", name)
			continue
		}
		cmd, rest, err := newRoot().Find(strings.Fields(m[1]))
		if err != nil || cmd.Name() == "mmmagent" {
			t.Errorf("%s: there is no command %q: %v", name, m[1], err)
			continue
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("%s: %q: %v", name, m[1], err)
		}
	}
}

// What an agent leaves for the next one outlives its process: the lease a stop,
// identity and promises a reboot.
func TestUnitsKeepWhatTheNextAgentNeeds(t *testing.T) {
	for _, name := range []string{"mmmagent", "mmmagent-router"} {
		text := unit(t, name)
		for _, line := range []string{"StateDirectory=mmm", "RuntimeDirectory=mmm", "RuntimeDirectoryPreserve=yes", "WatchdogSignal=SIGKILL",
			"AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW CAP_IPC_LOCK", "StartLimitIntervalSec=0"} {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("%s has no line %s", name, line)
			}
		}
	}
}
