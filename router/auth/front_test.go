package auth

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
)

var (
	app       = netip.MustParseAddr("192.0.2.5")
	elsewhere = netip.MustParseAddr("192.0.2.200")
)

func host(t testing.TB, text string) HostPattern {
	t.Helper()
	p, err := ParseHostPattern(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// knows are accounts of MariaDB with native passwords, as "user@host password".
func knows(t testing.TB, lines ...string) *Accounts {
	t.Helper()
	var out []Account
	for _, line := range lines {
		name, password, _ := strings.Cut(line, " ")
		user, at, _ := strings.Cut(name, "@")
		out = append(out, Account{User: user, Host: host(t, at), Methods: []Method{{kind: byDouble, double: doubleOf(password)}}})
	}
	return NewAccounts(nil, out)
}

func joe() Client { return Client{User: "joe", Address: app, Plugins: true} }

func start(t testing.TB, a *Accounts, c Client, password string) (*Front, Verdict) {
	t.Helper()
	salt := NewSalt()
	f := NewFront(a, salt, nil)
	return f, f.Start(c, Native, answerBy(t, Native, password, salt))
}

func TestARightPasswordIsAcceptedAndItsSecretLogsIn(t *testing.T) {
	_, v := start(t, knows(t, "joe@% secret"), joe(), "secret")
	if v.Do != Accept || v.Secret.None() {
		t.Fatalf("%s: %s", v.Do, v.Why)
	}
	salt := NewSalt()
	plugin, answer, err := NewBack(v.Secret, Channel{}).Start(Native, salt)
	if err != nil || plugin != Native {
		t.Fatalf("%s: %v", plugin, err)
	}
	if _, ok := doubleOf("secret").prove(salt, answer); !ok {
		t.Error("the Secret does not log in")
	}
}

func TestUnknownUserAndWrongPasswordLookTheSame(t *testing.T) {
	a := knows(t, "joe@% secret", "local@localhost secret")
	jane, local := joe(), joe()
	jane.User, local.User = "jane", "local"
	for _, c := range []struct {
		who      Client
		password string
	}{{joe(), "wrong"}, {jane, "secret"}, {local, "secret"}} {
		_, v := start(t, a, c.who, c.password)
		if v.Do != PassOn || v.Send != nil || !v.Stale {
			t.Errorf("%s with %q: %s, sends % x, stale %t", c.who.User, c.password, v.Do, v.Send, v.Stale)
		}
	}
}

func TestMostSpecificHostIsTheOneThatCounts(t *testing.T) {
	a := knows(t, "joe@% anywhere", "joe@192.0.2.0/24 net", "joe@192.0.2.5 here", "joe@192.0.2.2% pattern")
	for _, c := range []struct {
		from     netip.Addr
		password string
		want     Do
	}{
		{app, "here", Accept}, {app, "net", PassOn}, {app, "anywhere", PassOn},
		{elsewhere, "net", Accept}, {elsewhere, "pattern", PassOn},
		{netip.MustParseAddr("2001:db8::1"), "anywhere", Accept},
		{netip.MustParseAddr("::ffff:192.0.2.5"), "here", Accept},
	} {
		who := joe()
		who.Address = c.from
		if _, v := start(t, a, who, c.password); v.Do != c.want {
			t.Errorf("from %s with %q: %s (%s), want %s", c.from, c.password, v.Do, v.Why, c.want)
		}
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	s := ClearSecret("hunter2")
	type holder struct {
		secret Secret
		Shown  Secret
		v      Verdict
	}
	h := holder{s, s, Verdict{Secret: s}}
	raw, _ := json.Marshal(h)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "holder", h, "pointer", &h)
	out := fmt.Sprintf("%v %+v %#v %s %q %x %d", s, h, h, s, s, s, s) + fmt.Sprintf("%+v %#v", &h, []Secret{s}) + string(raw) + log.String()
	for _, bad := range []string{"hunter2", "68756e", "f3bbbd66a63d4bf1747940578ec3d0103530e21d", "243 187"} {
		if strings.Contains(out, bad) {
			t.Errorf("%q is in %s", bad, out)
		}
	}
}

func TestKeysAreEqualIfUserAndPasswordAre(t *testing.T) {
	_, v := start(t, knows(t, "joe@% secret"), joe(), "secret")
	if v.Secret.Key("joe") != ClearSecret("secret").Key("joe") {
		t.Error("two ways to know a password make two keys")
	}
	if ClearSecret("secret").Key("joe") == ClearSecret("secret").Key("jo") || ClearSecret("secret").Key("joe") == ClearSecret("secreu").Key("joe") {
		t.Error("another user or password has the same key")
	}
}
