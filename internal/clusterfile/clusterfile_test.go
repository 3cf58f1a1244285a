package clusterfile

import (
	"errors"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/topology"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew instead of comparing")

const article = `apiVersion: mmm/v1
cluster: shop
defaults: {port: 3306, replicationPort: 3309, interface: eth0}
hosts:
  - {name: db1, address: 192.0.2.161, mode: master, priority: 1}
  - {name: db2, address: 192.0.2.162, mode: master, priority: 2}
  - {name: db3, address: 192.0.2.164, mode: slave, weight: 2, tags: [nofailover]}
roles:
  writer: {mode: exclusive, vips: [192.0.2.113], prefer: db1}
  reader: {mode: balanced, vips: [192.0.2.111, 192.0.2.112]}
timing: {profile: fast}
durability: lossless
recovery: {autoSetOnline: 60s, flapCount: 3, flapDuration: 1h, rejoin: rewind}
checks: {backlogMax: 10s, backlogFor: 3, threadsFor: 2}
mysql: {replicationUser: repl}
`

const least = `apiVersion: mmm/v1
cluster: shop
hosts:
  - {name: db1, address: 192.0.2.161, mode: master}
  - {name: db2, address: 192.0.2.162, mode: slave}
`

func TestEveryValueOfTheFileArrives(t *testing.T) {
	got, err := Parse("cluster.yaml", []byte(article))
	if err != nil {
		t.Fatal(err)
	}
	host := func(name, addr string, mode topology.HostMode, priority, weight int, tags ...string) topology.HostSpec {
		return topology.HostSpec{
			Name: name, Address: netip.MustParseAddr(addr), Mode: mode, Priority: priority, Weight: weight,
			Port: 3306, ReplicationPort: 3309, Interface: "eth0", Tags: tags,
		}
	}
	want := topology.Spec{
		APIVersion: "mmm/v1",
		Cluster:    "shop",
		Hosts: []topology.HostSpec{
			host("db1", "192.0.2.161", topology.Master, 1, 1),
			host("db2", "192.0.2.162", topology.Master, 2, 1),
			host("db3", "192.0.2.164", topology.Slave, priorityDefault, 2, "nofailover"),
		},
		Roles: topology.Roles{
			Writer: topology.Role{Mode: "exclusive", VIPs: []netip.Addr{netip.MustParseAddr("192.0.2.113")}, Prefer: "db1"},
			Reader: topology.Role{Mode: "balanced", VIPs: []netip.Addr{netip.MustParseAddr("192.0.2.111"), netip.MustParseAddr("192.0.2.112")}},
		},
		Timing: topology.Timing{
			Profile: "fast", TTL: topology.Duration(time.Second), Probe: topology.Duration(50 * time.Millisecond),
			ProbeLimit: topology.Duration(500 * time.Millisecond), Misses: 2, Disk: topology.Duration(2 * time.Second),
		},
		Durability: topology.Lossless,
		Recovery:   topology.Recovery{AutoSetOnline: topology.Duration(time.Minute), FlapCount: 3, FlapDuration: topology.Duration(time.Hour), Rejoin: topology.RejoinRewind},
		Checks:     topology.Checks{BacklogMax: topology.Duration(10 * time.Second), BacklogFor: 3, ThreadsFor: 2},
		MySQL:      topology.MySQLSpec{ReplicationUser: "repl"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	got, err := Parse("cluster.yaml", []byte(least))
	if err != nil {
		t.Fatal(err)
	}
	printed := string(Print(got))
	for _, want := range []string{
		"defaults: {port: 3306, replicationPort: 3309, interface: eth0}",
		"writer: {mode: exclusive, vips: []}",
		"reader: {mode: balanced, vips: []}",
		"timing: {profile: lan, ttl: 2s, probe: 50ms, probeLimit: 500ms, misses: 2, disk: 5s}",
		"durability: lossless",
		"recovery: {autoSetOnline: 1m, flapCount: 3, flapDuration: 1h, rejoin: rewind}",
		"checks: {backlogMax: 10s, backlogFor: 3, threadsFor: 2}",
		"mysql: {replicationUser: repl}",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is missing in\n%s", want, printed)
		}
	}
}

func TestProfilesSetTheLeaseTime(t *testing.T) {
	for _, tt := range []struct {
		name, timing string
		want         time.Duration
	}{
		{"lan", "timing: {profile: lan}", 2 * time.Second},
		{"fast", "timing: {profile: fast}", time.Second},
		{"wan", "timing: {profile: wan}", 5 * time.Second},
		{"a time of its own", "timing: {ttl: 3s}", 3 * time.Second},
		{"a time of its own beside a profile", "timing: {profile: fast, ttl: 4s}", 4 * time.Second},
		{"nothing after the key", "timing:", 2 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse("cluster.yaml", []byte(least+tt.timing+"\n"))
			if err != nil {
				t.Fatal(err)
			}
			if got.Timing.TTL.D() != tt.want {
				t.Errorf("ttl is %s, want %s", got.Timing.TTL, tt.want)
			}
		})
	}
}

func TestPrintedFileReadsAsTheSameSpec(t *testing.T) {
	odd := `apiVersion: mmm/v1
cluster: "1"
hosts:
  - {name: "yes", address: "2001:db8::1", mode: master, port: 3307, interface: "lan,0"}
  - {name: "null", address: 192.0.2.9, mode: slave, priority: 0, weight: 7, tags: ["true", backup]}
roles: {writer: {vips: ["2001:db8::10", 192.0.2.10], prefer: "yes"}, reader: {hosts: ["null"]}}
mysql: {replicationUser: "r: {e} 'p' l"}
recovery: {autoSetOnline: 0s, flapDuration: 1h30m}
`
	for _, tt := range []struct{ name, text string }{
		{"the article's cluster", article}, {"as little as possible", least}, {"odd words", odd},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first, err := Parse("a.yaml", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			printed := Print(first)
			second, err := Parse("b.yaml", printed)
			if err != nil {
				t.Fatalf("%v\nin\n%s", err, printed)
			}
			if !reflect.DeepEqual(first, second) {
				t.Errorf("changed by printing\n%s\nbefore %+v\nafter  %+v", printed, first, second)
			}
		})
	}
}

// TestMistakesAreShownWithACaret compares the messages for each
// testdata/*.yaml with the .txt file beside it.
func TestMistakesAreShownWithACaret(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("found %d files with mistakes (%v)", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := Parse("cluster.yaml", data)
			var wrong *Error
			if !errors.As(err, &wrong) {
				t.Fatalf("the file was taken: %v", err)
			}
			if !reflect.DeepEqual(spec, topology.Spec{}) {
				t.Error("a spec came with the error")
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			got := wrong.Error() + "\n"
			if *rewrite {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func FuzzParseNeverPanicsAndPrintsWhatItRead(f *testing.F) {
	f.Add(article)
	f.Add(least)
	f.Add("a: [")
	f.Add("hosts:\n\t- x")
	f.Add("&a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		spec, err := Parse("f.yaml", []byte(text))
		if err != nil {
			_ = err.Error()
			return
		}
		again, err := Parse("g.yaml", Print(spec))
		if err != nil || !reflect.DeepEqual(spec, again) {
			t.Fatalf("printing changed it: %v\n%s", err, Print(spec))
		}
	})
}

// A write waits for one acknowledgement: a file that asks for two must not be taken
// for one that has them, wherever it asks and by whatever word.
func TestNumberOfAcknowledgementsIsRefusedWithItsCause(t *testing.T) {
	for name, lines := range map[string]string{
		"at the top":                      "w: 2\n",
		"by another word":                 "waitForReplicas: 2\n",
		"even the one that there is":      "acks: 1\n",
		"by MariaDB's and MySQL's word":   "mysql: {rpl_semi_sync_master_wait_for_slave_count: 2}\n",
		"below durability":                "durability: {acks: 2}\n",
		"below durability, with its word": "durability:\n  mode: lossless\n  W: 2\n",
		"instead of durability":           "durability: 2\n",
		"among the timings":               "timing: {profile: lan, acks: 2}\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("cluster.yaml", []byte(least+lines))
			if err == nil {
				t.Fatal("it is taken")
			}
			text := err.Error()
			for _, want := range []string{"a write waits for exactly one acknowledgement, because MariaDB cannot wait for more", "take this line out", "cluster.yaml:"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, text)
				}
			}
			var problems *Error
			if errors.As(err, &problems) && len(problems.Problems) != 1 {
				t.Errorf("%d sentences instead of one:\n%s", len(problems.Problems), text)
			}
		})
	}
}
