package auth

import (
	"bytes"
	"crypto/rsa"
	"testing"

	"pgregory.net/rapid"
)

// faker is a server as far as a login goes: it asks by one plugin, and says OK
// or an error of its own.
type faker struct {
	plugin   string
	password string
	tls      bool
	cached   bool // caching_sha2_password: the hash is in its memory
	keys     *KeyPair
	nonce    []byte // of ed25519: what follows the first 20 bytes
	salt     []byte
	state    int
	got      [][]byte // all that it was sent
}

const (
	asking = iota
	asked
	full
	accepting
	over
)

var ownError = refusal(errAccessDenied, stateDenied, "the server's own words")

func (s *faker) word(ok bool) [][]byte {
	s.state = over
	if ok {
		return [][]byte{okPacket}
	}
	return [][]byte{ownError}
}

// step takes a payload (none at the beginning) and gives what the server sends.
func (s *faker) step(payload []byte) [][]byte {
	if s.state != asking {
		s.got = append(s.got, bytes.Clone(payload))
	}
	switch s.state {
	case asking:
		s.salt, s.state = NewSalt(), asked
		if s.plugin == Ed25519 {
			s.salt = append(s.salt, s.nonce...)
		}
		return [][]byte{switchTo(s.plugin, s.salt)}
	case asked:
		return s.answered(payload)
	case full:
		return s.said(payload)
	default:
		return [][]byte{refusal(errBadHandshake, stateBad, "out of turn")}
	}
}

func (s *faker) answered(answer []byte) [][]byte {
	m := Method{kind: byPassword, password: s.password}
	switch {
	case s.plugin != CachingSHA2:
		_, ok := m.prove(s.plugin, s.salt, answer)
		return s.word(ok)
	case len(answer) == 0:
		return s.word(false)
	case s.cached && same(answer, answerSHA2(s.password, s.salt)):
		return append([][]byte{more(fastDone)}, s.word(true)...)
	default:
		s.state = full
		return [][]byte{more(fullNeeded)}
	}
}

func (s *faker) said(payload []byte) [][]byte {
	text, ok := terminated(payload)
	switch {
	case s.tls:
	case bytes.Equal(payload, []byte{askKey}):
		return [][]byte{more(s.keys.public...)}
	default:
		text, ok = unseal(payload, s.salt, s.keys.private)
	}
	return s.word(ok && text == s.password)
}

// pump moves payloads between a client that knows a password, a relay and a
// server until the login ends. It gives the client's last payload.
func pump(t interface{ Fatalf(string, ...any) }, client *Back, r *Relay, s *faker) Move {
	toClient, fromServer := [][]byte{}, s.step(nil)
	next := FromServer
	for range 2 * relaySteps {
		var payload []byte
		switch {
		case next == FromServer && len(fromServer) > 0:
			payload, fromServer = fromServer[0], fromServer[1:]
		case next == FromClient && len(toClient) > 0:
			reply, err := client.Step(toClient[0])
			toClient = toClient[1:]
			if err != nil {
				return Move{Done: true, Why: "the client: " + err.Error()}
			}
			payload = reply.Send
		default:
			t.Fatalf("the relay waits for the %s, who has nothing to say", next)
		}
		m := r.Step(next, payload)
		switch m.To {
		case FromClient:
			if m.Next == FromServer { // told, not asked
				if _, err := client.Step(m.Payload); err != nil {
					return Move{Done: true, Why: "the client: " + err.Error()}
				}
			} else {
				toClient = append(toClient, m.Payload)
			}
		case FromServer:
			fromServer = append(fromServer, s.step(m.Payload)...)
		}
		if m.Done {
			return m
		}
		next = m.Next
	}
	t.Fatalf("the login takes no end")
	return Move{}
}

func someKeys(t testing.TB) *KeyPair {
	t.Helper()
	k, err := NewKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestARelayedLoginSucceedsIfAndOnlyIfThePasswordIsRight(t *testing.T) {
	routers, servers := someKeys(t), someKeys(t)
	rapid.Check(t, func(rt *rapid.T) {
		right := rapid.StringMatching(`[a-z]{1,30}`).Draw(rt, "right")
		said := rapid.OneOf(rapid.Just(right), rapid.StringMatching(`[a-z]{0,30}`)).Draw(rt, "said")
		s := &faker{
			plugin:   rapid.SampledFrom([]string{Native, CachingSHA2, Ed25519, ClearPassword}).Draw(rt, "plugin"),
			password: right, keys: servers,
			tls:    rapid.Bool().Draw(rt, "server TLS"),
			cached: rapid.Bool().Draw(rt, "cached"),
			nonce:  rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, '$', 0xff}), 12, 12).Draw(rt, "nonce"),
		}
		c := joe()
		c.TLS = rapid.Bool().Draw(rt, "client TLS")
		f := NewFront(nil, NewSalt(), nil)
		if rapid.Bool().Draw(rt, "router's key") {
			f.keys = routers
		}
		barred := rapid.Bool().Draw(rt, "barred")
		if v := f.Start(c, Native, nil); v.Do != PassOn {
			rt.Fatalf("%s: %s", v.Do, v.Why)
		}
		if barred {
			f.bar = "for the test"
		}
		channel := Channel{TLS: s.tls}
		if !s.tls && rapid.Bool().Draw(rt, "pinned") {
			channel.ServerKey = &servers.private.PublicKey
		}
		r := f.Relay(channel)
		m := pump(rt, NewBack(ClearSecret(said), Channel{TLS: c.TLS, ServerKey: pinned(rt, c, s, f)}), r, s)

		noWay := s.plugin == ClearPassword && !(c.TLS && s.tls) ||
			s.plugin == CachingSHA2 && !c.TLS && s.tls && f.keys == nil && !(s.cached && said == right)
		want := said == right && !barred && !noWay
		if m.OK != want {
			rt.Fatalf("let in: %t, want %t (%s)", m.OK, want, m.Why)
		}
		if !m.OK && s.state == over && !barred && !bytes.Equal(m.Payload, ownError) && said != right {
			rt.Fatalf("the server's own error became %q (%s)", m.Payload, m.Why)
		}
		secret, why := r.Recover(nil)
		if !secret.None() && (!m.OK || secret.Key("joe") != ClearSecret(right).Key("joe")) {
			rt.Fatalf("a Secret that is none (%q)", why)
		}
		if secret.None() && m.OK && s.plugin == CachingSHA2 && c.TLS {
			rt.Fatalf("nothing was learned from a full login: %s", why)
		}
		if barred {
			for _, got := range s.got {
				if string(got) == said+"\x00" && said != "" {
					rt.Fatalf("the password of somebody who is barred reached the server: %q", got)
				}
			}
		}
	})
}

// pinned is the key of the server that a client may have been given beforehand:
// without TLS on both sides its password then passes the router unread.
func pinned(rt *rapid.T, c Client, s *faker, f *Front) *rsa.PublicKey {
	if c.TLS || s.tls || f.bar != "" || !rapid.Bool().Draw(rt, "client has the server's key") {
		return nil
	}
	return &s.keys.private.PublicKey
}

func TestFrontAcceptsNothingButTheAnswerToItsSalt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		password := rapid.StringMatching(`[a-z]{1,20}`).Draw(rt, "password")
		plugin := rapid.SampledFrom([]string{"", Native, CachingSHA2, Ed25519, ClearPassword, SHA256, OldPassword, RelayPlugin, dialog}).Draw(rt, "plugin")
		kind := rapid.SampledFrom([]string{"password", "double", "key"}).Draw(rt, "kind")
		salt := NewSalt()
		f := NewFront(NewAccounts(nil, []Account{{User: "joe", Host: host(t, "%"), Methods: []Method{methodsOf(password)[kind]}}}), salt, nil)
		named := plugin
		if named == "" {
			named = Native
		}
		right, _ := NewBack(ClearSecret(password), Channel{TLS: true}).answer(named, salt)
		answer, isRight := spoil(rt, right, func() []byte {
			other, _ := NewBack(ClearSecret(password), Channel{TLS: true}).answer(named, NewSalt())
			return other
		})
		c := joe()
		c.TLS, c.Plugins = rapid.Bool().Draw(rt, "TLS"), rapid.Bool().Draw(rt, "plugins")
		v := f.Start(c, plugin, answer)
		can := named == Native && kind != "key" || named == CachingSHA2 && kind == "password"
		if want := isRight && can; (v.Do == Accept) != want {
			rt.Fatalf("%s (%s); right %t, can be judged %t", v.Do, v.Why, isRight, can)
		}
		if v.Do != Accept && !v.Secret.None() {
			rt.Fatal("a Secret without a proof")
		}
		if v.Do == PassOn && v.Send != nil {
			rt.Fatalf("something is sent before the verdict: % x", v.Send)
		}
	})
}

// spoil makes an answer out of the right one, and says whether it is it.
func spoil(rt *rapid.T, right []byte, otherSalt func() []byte) ([]byte, bool) {
	out := bytes.Clone(right)
	switch rapid.SampledFrom([]string{"right", "bit", "short", "long", "random", "other salt", "empty"}).Draw(rt, "answer") {
	case "right":
	case "bit":
		if len(out) > 0 {
			i := rapid.IntRange(0, 8*len(out)-1).Draw(rt, "bit")
			out[i/8] ^= 1 << (i % 8)
		}
	case "short":
		out = out[:rapid.IntRange(0, len(out)).Draw(rt, "length")]
	case "long":
		out = append(out, rapid.SliceOfN(rapid.Byte(), 1, 20).Draw(rt, "more")...)
	case "random":
		out = rapid.SliceOfN(rapid.Byte(), 0, 70).Draw(rt, "random")
	case "other salt":
		out = otherSalt()
	case "empty":
		out = nil
	}
	return out, bytes.Equal(out, right) && len(right) > 0
}

// FuzzRelay throws payloads at a relay. In the input each has its length before
// it, and a byte that says from whom it is.
func FuzzRelay(f *testing.F) {
	salt := string(NewSalt())
	seed := func(lines ...string) {
		var all []byte
		for _, l := range lines {
			all = append(append(all, byte(len(l))), l...)
		}
		for i := range 4 {
			f.Add(all, i&1 != 0, i&2 != 0)
		}
	}
	seed("s\xfe"+Native+"\x00"+salt+"\x00", "c01234567890123456789", "s\x00\x00\x00")
	seed("s\xfe"+CachingSHA2+"\x00"+salt+"\x00", "c01234567890123456789012345678901", "s\x01\x03", "s\x00\x00\x00", "csecret\x00")
	seed("s\xfe"+CachingSHA2+"\x00"+salt+"\x00", "c01234567890123456789012345678901", "s\x01\x04", "c\x02", "s\x01key")
	seed("s\xfe"+ClearPassword+"\x00\x00", "csecret\x00", "s\x00\x00\x00")
	seed("s\xfe", "s\xff\x15\x04#28000no")
	keys := someKeys(f)
	f.Fuzz(func(t *testing.T, script []byte, secure, bar bool) {
		c := joe()
		c.TLS = secure
		front := NewFront(nil, NewSalt(), keys)
		front.Start(c, Native, nil)
		if bar {
			front.bar = "for the test"
		}
		relayScript(t, front.Relay(Channel{TLS: secure}), script, bar)
	})
}

// relayScript checks what must hold of every relay, whatever comes.
func relayScript(t *testing.T, r *Relay, script []byte, bar bool) {
	asked, answered, said, ended := false, false, false, false
	for len(script) > 0 {
		n := min(int(script[0]), len(script)-1)
		line := script[1 : 1+n]
		script = script[1+n:]
		if n == 0 {
			continue
		}
		from, payload := FromClient, line[1:]
		if line[0] == 's' {
			from = FromServer
		}
		m := r.Step(from, payload)
		if m.OK && (ended || bar || !asked || !answered || !said && !isOK(from, payload)) {
			t.Fatalf("let in: ended %t, barred %t, asked %t, answered %t, accepted by the server %t", ended, bar, asked, answered, said)
		}
		said = said || isOK(from, payload)
		if from == FromServer && m.To == FromClient && len(payload) > 0 && payload[0] == headSwitch {
			asked, answered = true, false
		}
		answered = answered || from == FromClient && m.To == FromServer
		if bar && m.To == FromServer && len(payload) > 8 && bytes.Equal(m.Payload, payload) {
			t.Fatalf("what somebody says who is barred reaches the server: %q", payload)
		}
		ended = ended || m.Done
		if secret, _ := r.Recover(nil); !secret.None() && !r.ok {
			t.Fatal("a Secret without a login")
		}
	}
}

func isOK(from Side, payload []byte) bool {
	return from == FromServer && len(payload) > 0 && payload[0] == headOK
}

// FuzzBack throws payloads of a server at a login.
func FuzzBack(f *testing.F) {
	f.Add([]byte("\x1e\xfe"+CachingSHA2+"\x00"+string(NewSalt())+"\x00"+"\x02\x01\x04"), false)
	f.Add([]byte("\x01\x00"), true)
	f.Fuzz(func(t *testing.T, script []byte, secure bool) {
		b := NewBack(ClearSecret("hunter2"), Channel{TLS: secure})
		_, _, _ = b.Start(Native, NewSalt())
		for len(script) > 0 {
			n := min(int(script[0]), len(script)-1)
			payload := script[1 : 1+n]
			script = script[1+n:]
			reply, err := b.Step(payload)
			if !secure && bytes.Contains(reply.Send, []byte("hunter2")) {
				t.Fatalf("the password goes over the network in clear: %q", reply.Send)
			}
			if reply.Done && (err != nil || payload[0] != headOK) {
				t.Fatalf("done by %q", payload)
			}
			if err != nil {
				return
			}
		}
	})
}
