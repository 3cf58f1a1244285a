package auth

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFileOfUsersIsRead(t *testing.T) {
	got, err := ParseUsers([]byte(`
users:
  - user: app
    password: 0123
    hosts: [192.0.2.0/24, "2001:db8::%"]
    maxConnections: 50
    require: tls
  - {user: report, hash: "*14E65567ABDB5135D0CFD9A70B3032C179A49EE7"}
  - {user: batch, ed25519: ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY}
`))
	if err != nil {
		t.Fatal(err)
	}
	a := NewAccounts(got, nil)
	if len(got) != 4 || a.Users() != 3 {
		t.Fatalf("%d accounts of %d users", len(got), a.Users())
	}
	if got := a.Limits("app", app).MaxConnections; got != 50 {
		t.Errorf("limit %d", got)
	}
	one, _ := a.find("app", app)
	if one == nil || !one.Methods[0].isPassword("0123") || one.Need != NeedTLS {
		t.Errorf("%+v", one)
	}
	if one, known := a.find("report", elsewhere); one == nil || !known || one.Methods[0].kind != byDouble {
		t.Errorf("%+v", one)
	}
}

func TestAUserOfTheFileIsWhatTheFileSays(t *testing.T) {
	file, err := ParseUsers([]byte("users: [{user: joe, password: filed, hosts: [192.0.2.5]}]"))
	if err != nil {
		t.Fatal(err)
	}
	a := NewAccounts(file, []Account{{User: "joe", Host: host(t, "%"), Methods: []Method{{kind: byDouble, double: doubleOf("served")}}}})
	who := joe()
	if _, v := start(t, a, who, "filed"); v.Do != Accept {
		t.Error(v.Why)
	}
	if _, v := start(t, a, who, "served"); v.Do != PassOn {
		t.Error(v.Why)
	}
	who.Address = elsewhere
	if _, v := start(t, a, who, "served"); v.Do != PassOn {
		t.Error("the server's account is in force beside the file's")
	}
}

func TestMistakesInTheFileAreNamedWithTheirLinesAndNothingElse(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "the file is empty"},
		{"no YAML", "users:\n  - user: \"hunter2\n", "[2:11] the file is no YAML here"},
		{"no mapping", "- hunter2", "[1:1] this must be a mapping"},
		{"unknown", "users:\n  - user: a\n    pasword: hunter2", "[3:5] unknown field"},
		{"twice", "users:\n  - {user: a, password: hunter2, password: hunter2}", "[2:34] password is given twice"},
		{"same user", "users:\n  - {user: a, password: hunter2}\n  - {user: a, password: hunter2}", "[3:12] this user is there twice, first in line 2"},
		{"no name", "users:\n  - {password: hunter2}", "has no name"},
		{"two secrets", "users:\n  - {user: a, password: hunter2, hash: '*14E65567ABDB5135D0CFD9A70B3032C179A49EE7'}", "has 2 of password"},
		{"none", "users:\n  - {user: a}", "has 0 of password"},
		{"null", "users:\n  - {user: a, password: ~}", "[2:25] this must be a text"},
		{"no text", "users:\n  - {user: a, password: ''}", "and not empty"},
		{"bad hash", "users:\n  - {user: a, hash: hunter2}", "[2:21] this is no hash"},
		{"bad key", "users:\n  - {user: a, ed25519: hunter2}", "[2:24] this is no hash"},
		{"bad sha2", "users:\n  - {user: a, sha2: hunter2}", "[2:21] this is no hash"},
		{"bad host", "users:\n  - {user: a, password: hunter2, hosts: [192.0.2.0/99]}", "[2:42] this is no network"},
		{"name", "users:\n  - {user: a, password: hunter2, hosts: [app.example.com]}", "host names are not looked up"},
		{"no host", "users:\n  - {user: a, password: hunter2, hosts: []}", "nobody can log in"},
		{"need", "users:\n  - {user: a, password: hunter2, require: ssl}", "require is tls or x509"},
		{"limit", "users:\n  - {user: a, password: hunter2, maxConnections: -1}", "whole number"},
		{"alias", "x: &a hunter2\nusers: []", "unknown field"},
		{"a list for a text", "users:\n  - {user: [a], password: hunter2}", "this must be a text"},
	} {
		got, err := ParseUsers([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v; want %q", c.name, got, err, c.want)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a password is in %v", c.name, err)
		}
	}
}

func TestAFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	if err := os.WriteFile(path, []byte("users: []"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadUsers(path); err != nil {
		t.Error(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadUsers(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

func FuzzParseUsers(f *testing.F) {
	f.Add([]byte("users:\n  - {user: a, password: hunter2, hosts: [192.0.2.0/24]}\n"))
	f.Add([]byte("users: &a [*a]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		users, err := ParseUsers(text)
		if err != nil {
			return
		}
		for _, one := range users {
			if one.User == "" || len(one.Methods) != 1 || one.Methods[0].kind <= byNothing {
				t.Errorf("%q is taken for a user: %+v", text, one)
			}
		}
	})
}
