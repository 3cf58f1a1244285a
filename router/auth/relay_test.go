package auth

import (
	"bytes"
	"errors"
	"testing"
)

// switchTo is a server's request for another plugin. Only a nonce of Ed25519 has
// nothing behind it.
func switchTo(plugin string, salt []byte) []byte {
	out := append([]byte{headSwitch}, plugin...)
	out = append(append(out, 0), salt...)
	if plugin == Ed25519 {
		return out
	}
	return append(out, 0)
}

var okPacket = []byte{headOK, 0, 0, 2, 0, 0, 0}

// nativeLogin relays a login to a server whose account has that password, and
// says whether the server's answer and the relay's are OK.
func nativeLogin(t *testing.T, a *Accounts, c Client, said, stored string) (server, client bool, r *Relay) {
	t.Helper()
	f, _ := start(t, a, c, said+"!")
	r = f.Relay(Channel{})
	salt := NewSalt()
	question := switchTo(Native, salt)
	m := r.Step(FromServer, question)
	if m.To != FromClient || !bytes.Equal(m.Payload, question) || m.Next != FromClient {
		t.Fatalf("the question is not passed on: %+v", m)
	}
	m = r.Step(FromClient, answerBy(t, Native, said, salt))
	if m.To != FromServer || m.Next != FromServer {
		t.Fatalf("the answer is not passed on: %+v", m)
	}
	_, server = doubleOf(stored).prove(salt, m.Payload)
	word := okPacket
	if !server {
		word = refusal(errAccessDenied, stateDenied, "Access denied, says the server")
	}
	m = r.Step(FromServer, word)
	if !m.Done || m.To != FromClient {
		t.Fatalf("the server's word is not the end: %+v", m)
	}
	if m.OK != (m.Payload[0] == headOK) {
		t.Fatalf("OK is %t, and the payload % x", m.OK, m.Payload)
	}
	if !server && !bytes.Equal(m.Payload, word) {
		t.Fatalf("the server's own error became % x", m.Payload)
	}
	return server, m.OK, r
}

func TestALoginIsRelayedAndGivesItsSecret(t *testing.T) {
	server, client, r := nativeLogin(t, nil, joe(), "new", "new")
	if !server || !client {
		t.Fatalf("server %t, client %t", server, client)
	}
	if s, why := r.Recover(knows(t, "joe@% old")); !s.None() || why == "" {
		t.Errorf("a Secret out of nothing (%q)", why)
	}
	s, why := r.Recover(knows(t, "joe@% new"))
	if s.None() || s.Key("joe") != ClearSecret("new").Key("joe") {
		t.Errorf("no Secret: %s", why)
	}
}

func TestTheServersOwnErrorIsPassedOn(t *testing.T) {
	if server, client, r := nativeLogin(t, nil, joe(), "wrong", "new"); server || client {
		t.Error("a wrong password is let in")
	} else if s, _ := r.Recover(knows(t, "joe@% wrong")); !s.None() {
		t.Error("a failed login gave a Secret")
	}
}

func TestAUserForLocalhostAloneIsNotLetInByAServer(t *testing.T) {
	a := knows(t, "joe@localhost secret")
	if server, client, _ := nativeLogin(t, a, joe(), "secret", "secret"); server || client {
		t.Errorf("server %t, client %t", server, client)
	}
}

func TestAUserForLocalhostAloneIsNotLetInWithoutAPasswordEither(t *testing.T) {
	f, _ := start(t, knows(t, "joe@localhost secret"), joe(), "secret")
	r := f.Relay(Channel{})
	r.Step(FromServer, switchTo(Native, NewSalt()))
	r.Step(FromClient, nil)
	if m := r.Step(FromServer, okPacket); !m.Done || m.OK {
		t.Errorf("%+v", m)
	}
	if s, _ := r.Recover(nil); !s.None() {
		t.Error("a Secret")
	}
}

func TestAProofForAnotherHostsAccountIsNotLetIn(t *testing.T) {
	a := knows(t, "joe@192.0.2.0/25 here", "joe@192.0.2.128/25 there")
	if _, client, _ := nativeLogin(t, a, joe(), "there", "there"); client {
		t.Error("the account of another network is open")
	}
	if _, client, _ := nativeLogin(t, a, joe(), "fresh", "fresh"); !client {
		t.Error("a changed password is refused")
	}
}

func TestAnOKWithoutAQuestionIsNoProof(t *testing.T) {
	f, _ := start(t, nil, joe(), "any")
	if m := f.Relay(Channel{}).Step(FromServer, okPacket); !m.Done || m.OK || m.Payload[0] != headERR {
		t.Errorf("%+v", m)
	}
}

func TestAPasswordThatIsNotThatOfTheProofIsNotTaken(t *testing.T) {
	c := joe()
	c.TLS = true
	for said, want := range map[string]bool{"secret": true, "other": false} {
		f, _ := start(t, nil, c, "any")
		r := f.Relay(Channel{})
		salt := NewSalt()
		r.Step(FromServer, switchTo(CachingSHA2, salt))
		r.Step(FromClient, answerSHA2("secret", salt))
		r.Step(FromServer, more(fastDone))
		if m := r.Step(FromServer, okPacket); m.Done || m.To != FromClient || !bytes.Equal(m.Payload, more(fullNeeded)) {
			t.Fatalf("the password is not asked for: %+v", m)
		}
		m := r.Step(FromClient, append([]byte(said), 0))
		secret, _ := r.Recover(nil)
		if m.OK != want || secret.None() == want {
			t.Errorf("%s: let in %t, secret %t", said, m.OK, !secret.None())
		}
	}
}

func TestPasswordsInClearAreAskedForOverTLSOnly(t *testing.T) {
	for _, plugin := range []string{ClearPassword, dialog} {
		for _, c := range []struct{ front, back bool }{{false, false}, {true, false}, {false, true}, {true, true}} {
			who := joe()
			who.TLS = c.front
			f, _ := start(t, nil, who, "any")
			m := f.Relay(Channel{TLS: c.back}).Step(FromServer, switchTo(plugin, nil))
			if asked := !m.Done; asked != (c.front && c.back) {
				t.Errorf("%s with TLS at the client %t and the server %t: asked %t", plugin, c.front, c.back, asked)
			}
			if e := parseError(m.Payload); m.Done && e.Number != errSecureNeeded {
				t.Errorf("%s: %v", plugin, e)
			}
		}
	}
	for secure, want := range map[bool]string{true: "secret\x00", false: ""} {
		reply, err := NewBack(ClearSecret("secret"), Channel{TLS: secure}).Step(switchTo(ClearPassword, nil))
		if err != nil || string(reply.Send) != want {
			t.Errorf("with TLS %t a server gets %q (%v)", secure, reply.Send, err)
		}
	}
}

func TestOldPasswordsAreRefused(t *testing.T) {
	f, _ := start(t, nil, joe(), "any")
	if m := f.Relay(Channel{}).Step(FromServer, []byte{headSwitch}); !m.Done || m.OK {
		t.Errorf("%+v", m)
	}
	if _, err := NewBack(ClearSecret("secret"), Channel{TLS: true}).Step([]byte{headSwitch}); err == nil {
		t.Error("a server gets a proof of before 4.1")
	}
}

func TestASecretThatDoesNotServeSaysSo(t *testing.T) {
	secret := onceSecret([20]byte{1})
	b := NewBack(secret, Channel{TLS: true})
	if _, _, err := b.Start(Native, NewSalt()); err != nil {
		t.Fatal(err)
	}
	reply, err := b.Step(switchTo(Ed25519, NewSalt()))
	if err != nil || len(reply.Send) != 0 || reply.Send == nil {
		t.Fatalf("another plugin of the account may be next: % x, %v", reply.Send, err)
	}
	_, err = b.Step(ownError)
	var server *ServerError
	if !errors.Is(err, ErrCannot) || !errors.As(err, &server) || server.Text != "the server's own words" {
		t.Errorf("%v", err)
	}
	if _, _, err := NewBack(Secret{}, Channel{}).Start(Native, NewSalt()); !errors.Is(err, ErrCannot) {
		t.Errorf("with nothing: %v", err)
	}
}

func TestAPluginThatNobodyKnowsHereIsPassedOnPacketByPacket(t *testing.T) {
	f, _ := start(t, knows(t, "joe@% any"), joe(), "wrong")
	r := f.Relay(Channel{})
	for i, c := range []struct {
		from    Side
		payload string
		to      Side
	}{
		{FromServer, "\xfefuture\x00salt", FromClient}, {FromClient, "one", FromServer},
		{FromServer, "\x01two", FromClient}, {FromClient, "", FromServer},
		{FromServer, "\x04three", FromClient}, {FromClient, "\x00four", FromServer},
	} {
		if m := r.Step(c.from, []byte(c.payload)); m.Done || m.To != c.to || string(m.Payload) != c.payload || m.Next != c.to {
			t.Fatalf("step %d: %+v", i, m)
		}
	}
	if m := r.Step(FromServer, okPacket); !m.OK {
		t.Errorf("%+v", m)
	}
	if s, why := r.Recover(knows(t, "joe@% any")); !s.None() || why == "" {
		t.Errorf("%q", why)
	}
}
