package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/conffile"
)

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"no host", "cluster: shop\n", []string{"`host` is missing", "host: db1"}},
		{"no cluster", "host: db1\n", []string{"`cluster` is missing"}},
		{"a slash in the cluster", "host: db1\ncluster: a/b\n", []string{"has a slash"}},
		{"unknown key", "host: db1\ncluster: shop\nhots: db2\n", []string{"[3:1]", "unknown field \"hots\"", "^"}},
		{"not YAML", "host: [db1\n", []string{"[1:"}},
		{"unknown fence", "host: db1\ncluster: shop\nfence: iptables\n", []string{"`fence` is \"iptables\"", "none"}},
		{"no endpoint", "host: db1\ncluster: shop\netcd: {endpoints: []}\n", []string{"`etcd.endpoints` is empty"}},
		{"endpoint without scheme", "host: db1\ncluster: shop\netcd: {endpoints: [\"192.0.2.1:2379\"]}\n", []string{"write http://ADDRESS:2379"}},
		{"endpoint of another kind", "host: db1\ncluster: shop\netcd: {endpoints: [\"ftp://192.0.2.1\"]}\n", []string{"write http://ADDRESS:2379"}},
		{"plain http to another host", "host: db1\ncluster: shop\netcd: {endpoints: [\"http://192.0.2.1:2379\"]}\n",
			[]string{"plain http", "use https", "insecure: true"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, tt.text, 0o600)
			_, err := ReadConfig(path)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range append(tt.want, path) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%s", want, err)
				}
			}
		})
	}
}

func TestConfigThatIsTaken(t *testing.T) {
	tests := []struct{ name, text, endpoint string }{
		{"the least", "host: db1\ncluster: shop\n", "http://127.0.0.1:2379"},
		{"plain http on this host", "host: db1\ncluster: shop\netcd: {endpoints: [\"http://localhost:2379\"]}\n", "http://localhost:2379"},
		{"plain http, said loudly", "host: db1\ncluster: shop\netcd: {endpoints: [\"http://192.0.2.1:2379\"], insecure: true}\n", "http://192.0.2.1:2379"},
		{"https", "host: db1\ncluster: shop\netcd: {endpoints: [\"https://192.0.2.1:2379\"]}\n", "https://192.0.2.1:2379"},
	}
	for _, tt := range tests {
		cfg, err := ReadConfig(write(t, tt.text, 0o600))
		if err != nil || cfg.Etcd.Endpoints[0] != tt.endpoint || cfg.State == "" || cfg.MySQL.Socket == "" {
			t.Errorf("%s: %+v, %v", tt.name, cfg, err)
		}
	}
}

func TestConfigsAreComparedWhole(t *testing.T) {
	a, b := defaults(), defaults()
	if !a.Equal(b) {
		t.Error("the same file differs from itself")
	}
	b.Etcd.Endpoints = []string{"https://192.0.2.1:2379"}
	if a.Equal(b) {
		t.Error("another endpoint is no change")
	}
}

func TestMissingConfigIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := ReadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestBadCertificatesAreNamed(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.pem")
	for _, c := range []EtcdConfig{{CA: none}, {CA: write(t, "no certificate", 0o600)}, {Cert: none, Key: none}} {
		if _, err := c.Certs(); err == nil || !strings.Contains(err.Error(), "etcd.") {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if conf, err := (PeerConfig{}).certs(); conf != nil || err != nil {
		t.Errorf("plain: %v, %v", conf, err)
	}
	if _, err := (PeerConfig{CA: none}).certs(); err == nil || !strings.Contains(err.Error(), "`peer` needs all of") {
		t.Errorf("CA alone: %v", err)
	}
	insecure := EtcdConfig{CA: none, Insecure: true}
	insecure.Endpoints = []string{"http://192.0.2.161:2379"}
	m := conffile.NewMistakes()
	insecure.Check(m)
	if err := m.Err(); err == nil || !strings.Contains(err.Error(), "certificates are no use") {
		t.Errorf("certificates for plain http: %v", err)
	}
}

func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask says
		t.Fatal(err)
	}
	return path
}
