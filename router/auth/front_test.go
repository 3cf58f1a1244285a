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

func TestWhatOnlyServersCanJudgeIsPassedOnThoughThePasswordIsRight(t *testing.T) {
	native := []Method{{kind: byDouble, double: doubleOf("secret")}}
	all := host(t, "%")
	for _, c := range []struct {
		name     string
		accounts []Account
		client   func(*Client)
		bar      bool
		want     Do
	}{
		{"nothing in the way", []Account{{User: "joe", Host: all, Methods: native}}, nil, false, Accept},
		{"locked or expired", []Account{{User: "joe", Host: all, Methods: native, Closed: true}}, nil, false, PassOn},
		{"TLS is asked for", []Account{{User: "joe", Host: all, Methods: native, Need: NeedTLS}}, nil, true, PassOn},
		{"TLS is there", []Account{{User: "joe", Host: all, Methods: native, Need: NeedTLS}}, func(c *Client) { c.TLS = true }, false, Accept},
		{"a certificate is asked for", []Account{{User: "joe", Host: all, Methods: native, Need: NeedCertificate}}, func(c *Client) { c.TLS = true }, true, PassOn},
		{"a certificate is there", []Account{{User: "joe", Host: all, Methods: native, Need: NeedCertificate}}, func(c *Client) { c.TLS, c.Certificate = true, true }, false, Accept},
		{"anonymous at the same place", []Account{{User: "joe", Host: all, Methods: native}, {Host: all}}, nil, false, Accept},
		{"anonymous, more specific", []Account{{User: "joe", Host: all, Methods: native}, {Host: host(t, "192.0.2.%")}}, nil, false, PassOn},
		{"anonymous elsewhere", []Account{{User: "joe", Host: all, Methods: native}, {Host: host(t, "localhost")}}, nil, false, Accept},
		{"an unknown plugin", []Account{{User: "joe", Host: all, Methods: []Method{{kind: byOther}}}}, nil, false, PassOn},
		{"no plugin at all", []Account{{User: "joe", Host: all}}, nil, false, PassOn},
		{"one of two plugins", []Account{{User: "joe", Host: all, Methods: append([]Method{{kind: byOther}}, native...)}}, nil, false, Accept},
	} {
		who := joe()
		if c.client != nil {
			c.client(&who)
		}
		f, v := start(t, NewAccounts(nil, c.accounts), who, "secret")
		if v.Do != c.want || (f.bar != "") != c.bar {
			t.Errorf("%s: %s (%s), barred %q", c.name, v.Do, v.Why, f.bar)
		}
	}
}

func TestAnotherUserOnTheConnectionIsProvenAnew(t *testing.T) {
	a := knows(t, "joe@% secret")
	f, v := start(t, a, joe(), "secret")
	if v.Do != Accept {
		t.Fatal(v.Why)
	}
	if v := f.Change(joe()); v.Do != PassOn {
		t.Errorf("the same user again: %s", v.Do)
	}
	f = NewFront(a, f.salt, nil)
	empty := NewAccounts(nil, []Account{{User: "joe", Host: host(t, "%"), Methods: []Method{{kind: byNothing}}}})
	if v := f.Change(joe()); v.Do != PassOn {
		t.Errorf("%s", v.Do)
	}
	if v := NewFront(empty, f.salt, nil).Change(joe()); v.Do != PassOn {
		t.Errorf("an account without password: %s", v.Do)
	}
}

func TestClientsThatCannotBeAskedAgainAreToldPlainly(t *testing.T) {
	old := joe()
	old.Plugins = false
	for _, c := range []struct{ password, want string }{
		{"wrong", "Access denied for user 'joe'@'192.0.2.5' (using password: YES)"},
		{"", "Access denied for user 'joe'@'192.0.2.5' (using password: NO)"},
	} {
		_, v := start(t, knows(t, "joe@% secret"), old, c.password)
		if e := parseError(v.Send); v.Do != Refuse || e.Text != c.want || e.Number != 1045 || e.State != "28000" {
			t.Errorf("%s: %v", v.Do, e)
		}
	}
	if _, v := start(t, knows(t, "joe@% secret"), old, "secret"); v.Do != Accept {
		t.Errorf("the right password: %s", v.Why)
	}
	v := NewFront(nil, NewSalt(), nil).Start(joe(), OldPassword, []byte("12345678"))
	if e := parseError(v.Send); v.Do != Refuse || e.Number != 1251 {
		t.Errorf("a password of before 4.1: %s, %v", v.Do, e)
	}
}
