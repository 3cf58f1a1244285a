package router

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/conffile"
)

func parse(text string) (Config, error) {
	cfg := Defaults()
	err := conffile.Parse([]byte(text), &cfg, func() error { return cfg.complete().validate() })
	return cfg.complete(), err
}

func TestConfigErrorsSayWhatToDo(t *testing.T) {
	tests := []struct {
		name string
		text string
		want []string
	}{
		{"nothing", "", []string{"`cluster` is missing", "cluster: shop"}},
		{"a slash in the cluster", "cluster: a/b\n", []string{"has a slash", "> "}},
		{"no name", "cluster: shop\nname: \"\"\n", []string{"`name` is missing", "name: router1"}},
		{"unknown key", "cluster: shop\nlistner: 1\n", []string{"[2:1]", "unknown field \"listner\"", "^"}},
		{"unknown key below", "cluster: shop\nlimits: {conections: 1}\n", []string{"[2:10]", "unknown field \"conections\""}},
		{"not YAML", "cluster: [shop\n", []string{"[1:"}},
		{"no duration", "cluster: shop\nhold: {time: soon}\n", []string{"[2:14]", "\"soon\" is not a duration", "500ms"}},
		{"no size", "cluster: shop\nhold: {bytes: many}\n", []string{"[2:15]", "\"many\" is not a size", "64MiB"}},
		{"plain http to another host", "cluster: shop\netcd: {endpoints: [\"http://192.0.2.1:2379\"]}\n", []string{"`etcd.endpoints`", "use https", "insecure: true"}},
		{"no listener", "cluster: shop\nlisteners: []\n", []string{"`listeners` is empty", "0.0.0.0:3306"}},
		{"no port", "cluster: shop\nlisteners: [{address: 192.0.2.1}]\n", []string{"`listeners[0].address`", "ADDRESS:PORT"}},
		{"a port twice", "cluster: shop\nlisteners: [{address: \"127.0.0.1:1\"}, {address: \"127.0.0.1:1\"}]\n", []string{"`listeners[1].address`", "`listeners[0]` uses already"}},
		{"the port of the pages", "cluster: shop\nlisteners: [{address: \"127.0.0.1:9990\"}]\n", []string{"`admin` uses already"}},
		{"an unknown mode", "cluster: shop\nlisteners: [{address: \"127.0.0.1:1\", mode: rw}]\n", []string{"`listeners[0].mode` is \"rw\": write split, writer or reader"}},
		{"TLS without a certificate", "cluster: shop\nlisteners: [{address: \"127.0.0.1:1\", tls: require}]\n", []string{"`listeners[0].tls` is require", "cert: FILE"}},
		{"an address for a network", "cluster: shop\nlisteners: [{address: \"127.0.0.1:1\", proxyProtocol: [192.0.2.7/24]}]\n", []string{"write 192.0.2.0/24, or 192.0.2.7/32"}},
		{"a missing file", "cluster: shop\ntls: {cert: /nowhere/a.pem, key: /nowhere/b.pem}\n", []string{"`tls.cert` cannot be used", "`tls.key` cannot be used"}},
		{"a certificate alone", "cluster: shop\ntls: {cert: /nowhere/a.pem}\n", []string{"`tls` needs both"}},
		{"an old TLS", "cluster: shop\ntls: {minVersion: \"1.0\"}\n", []string{"`tls.minVersion` is \"1.0\": write 1.2 or 1.3"}},
		{"verify without a CA", "cluster: shop\nbackend: {tls: verify}\n", []string{"`backend.tls` is verify", "ca: FILE"}},
		{"no users", "cluster: shop\nusers: {account: \"\"}\n", []string{"`users.account` is empty", "mmmrouter grants"}},
		{"no connection", "cluster: shop\nlimits: {connections: 0}\n", []string{"`limits.connections` is 0", "from 1 to"}},
		{"a user more than all", "cluster: shop\nlimits: {connections: 5, perUser: 6}\n", []string{"`limits.perUser` is 6, more than"}},
		{"a queue without time", "cluster: shop\nlimits: {queueTime: 0s}\n", []string{"`limits.queueTime` is 0"}},
		{"statements of a few bytes", "cluster: shop\nlimits: {statement: 10KiB}\n", []string{"`limits.statement` is 10KiB", "from 1MiB to 1GiB"}},
		{"no time for a login", "cluster: shop\nlimits: {loginTime: 0s}\n", []string{"`limits.loginTime` is 0"}},
		{"no lag", "cluster: shop\nreaders: {maxLag: 0s}\n", []string{"`readers.maxLag` is 0"}},
		{"an unknown consistency", "cluster: shop\nconsistency: strong\n", []string{"`consistency` is \"strong\": write off, session or global"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.text)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%s", want, err)
				}
			}
		})
	}
}

func TestEveryMistakeOfAFileIsSaidAtOnce(t *testing.T) {
	_, err := parse("cluster: a/b\nadmin: here\nlimits: {connections: 0}\nconsistency: strong\n")
	for _, want := range []string{"`cluster`", "`admin`", "`limits.connections`", "`consistency`"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in:\n%v", want, err)
		}
	}
}

func TestMissingFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none.yaml")
	if _, err := ReadConfig(path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestTheLeastFileIsAllDefaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mmmrouter.yaml")
	if err := os.WriteFile(path, []byte("cluster: shop\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := ReadConfig(path)
	want := Defaults()
	want.Cluster = "shop"
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestListenersThatAreGivenReplaceTheUsualOnes(t *testing.T) {
	cert := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(cert, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := parse("cluster: shop\ntls: {cert: " + cert + ", key: " + cert + "}\n" +
		"listeners: [{address: \"127.0.0.1:4000\", proxyProtocol: [192.0.2.0/24]}]\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Listeners) != 1 || cfg.Listeners[0].Mode != Split || cfg.Listeners[0].TLS != TLSOffer || len(cfg.Listeners[0].ProxyProtocol) != 1 {
		t.Errorf("%+v", cfg.Listeners)
	}
}

// commentedKey is a line of the sample that shows a default.
var commentedKey = regexp.MustCompile(`(?m)^#((?:  +)?(?:- \{|[a-zA-Z]+:))`)

// TestTheSampleShowsEveryKeyWithItsDefault takes the comment signs away and
// compares what is read then with the defaults.
func TestTheSampleShowsEveryKeyWithItsDefault(t *testing.T) {
	got, err := parse(Sample)
	if err != nil || got.Cluster != "shop" {
		t.Fatalf("the sample as it is: %v", err)
	}
	open := commentedKey.ReplaceAllString(Sample, "$1")
	got, err = parse(open)
	if err != nil {
		t.Fatalf("%v\n%s", err, open)
	}
	want := Defaults()
	want.Cluster, want.Name = "shop", "router1"
	for i := range got.Listeners {
		if len(got.Listeners[i].ProxyProtocol) == 0 {
			got.Listeners[i].ProxyProtocol = nil
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the sample differs from the defaults:\n got %+v\nwant %+v", got, want)
	}
	for _, key := range keysOf(typeOfConfig) {
		if !regexp.MustCompile(`(?m)(^|[ {])` + key + `:`).MatchString(open) {
			t.Errorf("the sample does not show `%s`", key)
		}
	}
}

var typeOfConfig = reflect.TypeFor[Config]()

// keysOf lists the keys of a form, at every depth.
func keysOf(form reflect.Type) []string {
	var keys []string
	for f := range form.Fields() {
		if key := f.Tag.Get("yaml"); key != "" {
			keys = append(keys, key)
		}
		in := f.Type
		if in.Kind() == reflect.Slice {
			in = in.Elem()
		}
		if in.Kind() == reflect.Struct {
			keys = append(keys, keysOf(in)...)
		}
	}
	return keys
}
