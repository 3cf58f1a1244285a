package etcdembed

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// valid returns options that Validate accepts.
func valid() Options {
	return Options{
		Name: "db1", DataDir: "/var/lib/mmm/etcd", Insecure: true,
		ClientURL: "http://192.0.2.161:2379", PeerURL: "http://192.0.2.161:2380",
		InitialCluster: map[string]string{"db1": "http://192.0.2.161:2380", "db2": "http://192.0.2.162:2380"},
	}
}

func TestRefusedOptionsNameTheMistakeAndTheFix(t *testing.T) {
	files := TLSFiles{Cert: "c", Key: "k", CA: "ca"}
	tests := []struct {
		name   string
		change func(*Options)
		want   []string // one for each line of the error; none means accepted
	}{
		{"all is well", func(*Options) {}, nil},
		{"a slash at the end of a URL", func(o *Options) { o.PeerURL += "/" }, nil},
		{"loopback needs no insecure", func(o *Options) {
			o.Insecure, o.ClientURL, o.PeerURL = false, "http://127.0.0.1:2379", "http://[::1]:2380"
			o.InitialCluster = map[string]string{"db1": "http://[::1]:2380"}
		}, nil},
		{"https with all files", func(o *Options) {
			o.Insecure, o.ClientURL, o.ClientTLS = false, "https://192.0.2.161:2379", files
			o.PeerURL, o.PeerTLS = "https://192.0.2.161:2380", files
			o.InitialCluster = map[string]string{"db1": "https://192.0.2.161:2380"}
		}, nil},
		{"join needs no entry of its own", func(o *Options) {
			o.Join, o.InitialCluster = true, map[string]string{"db2": "http://192.0.2.162:2380"}
		}, nil},
		{"no name", func(o *Options) { o.Name = "" },
			[]string{"name: is missing: give", "initialCluster: does not name this member"}},
		{"a name that etcd cannot store", func(o *Options) {
			o.Name, o.InitialCluster = "a=b", map[string]string{"a=b": o.PeerURL}
		}, []string{"name: \"a=b\" holds"}},
		{"relative directory", func(o *Options) { o.DataDir = "etcd" },
			[]string{"dataDir: \"etcd\" is not an absolute path: write one"}},
		{"no client URL", func(o *Options) { o.ClientURL = "" },
			[]string{"clientURL: is missing: write the address"}},
		{"no scheme", func(o *Options) { o.ClientURL = "192.0.2.161:2379" },
			[]string{"clientURL: \"192.0.2.161:2379\" is not a URL with http or https"}},
		{"no port", func(o *Options) { o.ClientURL = "http://192.0.2.161" },
			[]string{"clientURL: \"http://192.0.2.161\" lacks a host or a port"}},
		{"a path", func(o *Options) { o.ClientURL = "http://192.0.2.161:2379/v3" },
			[]string{"has more than a host and a port"}},
		{"every address", func(o *Options) { o.ClientURL = "http://0.0.0.0:2379" },
			[]string{"clientURL: 0.0.0.0 means every address"}},
		{"a host name", func(o *Options) { o.ClientURL = "http://db1:2379" },
			[]string{"clientURL: \"db1\" is a host name"}},
		{"the same port twice", func(o *Options) { o.ClientURL = o.PeerURL },
			[]string{"peerURL: is the same address as clientURL"}},
		{"plain http on a network", func(o *Options) { o.Insecure = false },
			[]string{"clientURL: http://192.0.2.161:2379 is plain http", "peerURL: http://192.0.2.161:2380 is plain http"}},
		{"http with files", func(o *Options) { o.ClientTLS = files },
			[]string{"clientURL: is http, so the files under clientTLS would be ignored"}},
		{"https without a CA", func(o *Options) {
			o.ClientURL, o.ClientTLS = "https://192.0.2.161:2379", TLSFiles{Cert: "c", Key: "k"}
		}, []string{"clientURL: is https, which needs three files"}},
		{"http and https among peers", func(o *Options) { o.InitialCluster["db2"] = "https://192.0.2.162:2380" },
			[]string{"initialCluster: db2 is https while peerURL is http"}},
		{"two members on one address", func(o *Options) { o.InitialCluster["db2"] = o.PeerURL },
			[]string{"initialCluster: db1 and db2 have the same peer URL"}},
		{"a peer URL that cannot be", func(o *Options) { o.InitialCluster["db2"] = "db2" },
			[]string{"initialCluster: db2: \"db2\" is not a URL"}},
		{"own entry differs", func(o *Options) { o.InitialCluster["db1"] = "http://192.0.2.169:2380" },
			[]string{"initialCluster: has http://192.0.2.169:2380 for this member db1, but peerURL is"}},
		{"nothing to join", func(o *Options) { o.Join = true; delete(o.InitialCluster, "db2") },
			[]string{"initialCluster: names no other member, so there is nothing to join"}},
		{"half a timing", func(o *Options) { o.Heartbeat = time.Second },
			[]string{"heartbeat: and election belong together"}},
		{"heartbeat too short", func(o *Options) { o.Heartbeat, o.Election = time.Millisecond, time.Second },
			[]string{"heartbeat: 1ms is too short"}},
		{"election too short", func(o *Options) { o.Heartbeat, o.Election = time.Second, 2*time.Second },
			[]string{"election: 2s is less than 5 heartbeats of 1s: use 5s or more"}},
		{"election too long", func(o *Options) { o.Heartbeat, o.Election = time.Second, time.Minute },
			[]string{"election: 1m0s is too long"}},
		{"tiny quota", func(o *Options) { o.QuotaBytes = 1 }, []string{"quotaBytes: 1 is too small"}},
		{"no history", func(o *Options) { o.KeepRevisions = 1 }, []string{"keepRevisions: 1 is too few"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := valid()
			tt.change(&o)
			err := o.Validate()
			if len(tt.want) == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatal("accepted")
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(tt.want) {
				t.Fatalf("%d sentences, want %d:\n%v", len(lines), len(tt.want), err)
			}
			for i, want := range tt.want {
				if !strings.Contains(lines[i], want) {
					t.Errorf("got  %s\nwant %s", lines[i], want)
				}
			}
		})
	}
}

const goodFile = `name: db1
dataDir: /var/lib/mmm/etcd
clientURL: http://192.0.2.161:2379
peerURL: http://192.0.2.161:2380
initialCluster: {db1: "http://192.0.2.161:2380", db2: "http://192.0.2.162:2380", db3: "http://192.0.2.164:2380"}
join: false
profile: fast
insecure: true
`

func TestFileBecomesOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "etcd.yaml")
	if err := os.WriteFile(path, []byte(goodFile), 0o600); err != nil {
		t.Fatal(err)
	}
	o, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if o.Name != "db1" || len(o.InitialCluster) != 3 || !o.Insecure ||
		o.Heartbeat != 50*time.Millisecond || o.Election != 500*time.Millisecond {
		t.Errorf("got %+v", o)
	}
}

func TestFileMistakesShowTheirPlace(t *testing.T) {
	tests := []struct {
		name     string
		from, to string
		want     []string
	}{
		{"unknown field", "join: false", "joined: false", []string{`unknown field "joined"`, "6 | joined: false", "^"}},
		{"doubled field", "join: false", "name: db2", []string{`"name" already defined`, "6 | name: db2", "^"}},
		{"wrong type", "join: false", "join: 7", []string{"6 | join: 7", "^"}},
		{"no duration", "profile: fast", "heartbeat: quick", []string{`"quick" is not a duration; write 500ms, 3s or 2m`, "7 | heartbeat: quick", "^"}},
		{"unknown profile", "profile: fast", "profile: slow", []string{`profile: "slow" is unknown: write lan, fast or wan`, "7 | profile: slow", "^"}},
		{"profile and timing", "profile: fast", "profile: fast\nelection: 1s", []string{"profile: sets heartbeat and election", "7 | profile: fast", "^"}},
		{"every address", "clientURL: http://192.0.2.161", "clientURL: http://0.0.0.0", []string{"clientURL: 0.0.0.0 means every address", "3 | clientURL: http://0.0.0.0:2379", "^"}},
		{"missing field", "dataDir: /var/lib/mmm/etcd\n", "", []string{`dataDir: "" is not an absolute path`}},
		{"two mistakes", "insecure: true", "insecure: false", []string{"clientURL: http://192.0.2.161:2379 is plain http", "peerURL: http://192.0.2.161:2380 is plain http"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(goodFile, tt.from, tt.to, 1)
			if text == goodFile {
				t.Fatalf("%q is not in the file", tt.from)
			}
			path := filepath.Join(t.TempDir(), "etcd.yaml")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadFile(path)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got\n%v\nwant %s", err, want)
				}
			}
		})
	}
}
