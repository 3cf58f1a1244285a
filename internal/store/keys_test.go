package store

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write docs/keys.md anew")

func TestDocumentOfTheKeysIsFresh(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "keys.md")
	want := renderKeys()
	if *rewrite {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale; run: go test ./internal/store -run TestDocumentOfTheKeysIsFresh -rewrite", path)
	}
}

// renderKeys prints the key table as docs/keys.md.
func renderKeys() string {
	var b strings.Builder
	b.WriteString(`# The keys in etcd

Made from the table in internal/store/keys.go; do not edit.

Everything a cluster shares stands under /mmm/CLUSTER/ as JSON that begins
with the version of its form, "v":1. To read all of it:

    etcdctl get --prefix /mmm/

Each key has one kind of writer. Every write is a transaction that names what
must not have changed since the writer looked; nothing is ever put without a
guard. An id is the uuid that a host made when it joined, a name is its name in
the cluster file.

A value that cannot be read, because it is broken or was written by a newer
version, is logged and counts as present and empty. Where the table says
"required", nothing can be judged without it: the agents change nothing until
it can be read again.

| key | value | its only writer | leased | guard of every write | required | what it says |
|---|---|---|---|---|---|---|
`)
	yes := map[bool]string{true: "yes", false: "no"}
	for _, k := range Keys() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s | %s | %s | %s |\n", k.Path, k.Value, k.Writer, yes[k.Leased], k.Guard, yes[k.Required], k.About)
	}
	return b.String()
}

func TestOnlyPathsOfTheTableAreKeys(t *testing.T) {
	tests := []struct {
		name, key string
		want      bool
	}{
		{"single", "writer", true},
		{"one of a family", "bids/5e0c", true},
		{"IPv6 reader", "readers/2001:db8::1", true},
		{"event", eventKey(7, "5e0c"), true},
		{"unknown", "leader", false},
		{"empty", "", false},
		{"family without a name", "bids/", false},
		{"name with a slash", "intent/a/b", false},
		{"single with a rest", "writer/x", false},
		{"family as a single key", "bids", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, ok := kindOf(tt.key); ok != tt.want {
				t.Errorf("kindOf(%q) = %v, want %v", tt.key, ok, tt.want)
			}
		})
	}
}

func TestEveryKeyIsDescribed(t *testing.T) {
	for _, k := range Keys() {
		if k.Path == "" || k.Value == "" || k.Writer == "" || k.Guard == "" || k.About == "" {
			t.Errorf("half described: %+v", k)
		}
	}
}
