package auth

import (
	"encoding/hex"
	"testing"

	"pgregory.net/rapid"
)

// Of Drepper's description of SHA-crypt, and checked with crypt(3).
func TestSHACryptIsThatOfTheDescription(t *testing.T) {
	for _, c := range []struct {
		salt, password, want string
		rounds               int
	}{
		{"saltstring", "Hello world!", "5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5", 5000},
		{"saltstringsaltst", "Hello world!", "3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA", 10000},
		{"toolongsaltstrin", "This is just a test", "Un/5jzAHMgOGZ5.mWJpuVolil07guHPvOW8mGRcvxa5", 5000},
		{"anotherlongsalts", "a very much longer text to encrypt.  This one even stretches over morethan one line.",
			"Rx.j8H.h8HjEDGomFU8bDkXm3XIUnzyxf12oP84Bnq1", 1400},
	} {
		if got := shaCrypt(c.password, c.salt, c.rounds); got != c.want {
			t.Errorf("shaCrypt(%q, %q, %d) = %s, want %s", c.password, c.salt, c.rounds, got, c.want)
		}
	}
}

// Figures of a MariaDB server: SELECT PASSWORD('secret'), and of its plugin's own
// documentation: ed25519_password('secret').
func TestStoredFormsAreTheServers(t *testing.T) {
	d := doubleOf("secret")
	if got := hex.EncodeToString(d[:]); got != "14e65567abdb5135d0cfd9a70b3032c179a49ee7" {
		t.Errorf("the double hash of 'secret' is %s", got)
	}
	want, err := parsePublicKey("ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY")
	if err != nil {
		t.Fatal(err)
	}
	if newSigner("secret").public != want {
		t.Error("the public key of 'secret' is another one")
	}
}

// methodsOf are all ways to store a password.
func methodsOf(password string) map[string]Method {
	return map[string]Method{
		"password": {kind: byPassword, password: password},
		"double":   {kind: byDouble, double: doubleOf(password)},
		"key":      {kind: byKey, public: newSigner(password).public},
	}
}

func answerBy(t testing.TB, plugin, password string, salt []byte) []byte {
	t.Helper()
	b := NewBack(ClearSecret(password), Channel{TLS: true})
	answer, err := b.answer(plugin, salt)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// judges says which stored forms a plugin's answer can be held against.
var judges = map[string][]string{
	Native:        {"password", "double"},
	CachingSHA2:   {"password"},
	Ed25519:       {"password", "key"},
	ClearPassword: {"password", "double", "key"},
}

func TestAProofIsAcceptedIfAndOnlyIfThePasswordIsRight(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		right := rapid.StringN(1, 40, -1).Filter(noNUL).Draw(rt, "right")
		said := rapid.OneOf(rapid.Just(right), rapid.StringN(1, 40, -1).Filter(noNUL)).Draw(rt, "said")
		salt := NewSalt()
		for plugin, stored := range judges {
			answer := answerBy(t, plugin, said, salt)
			for kind, m := range methodsOf(right) {
				_, ok := m.prove(plugin, salt, answer)
				can := false
				for _, k := range stored {
					can = can || k == kind
				}
				if want := can && said == right; ok != want {
					rt.Fatalf("%s held against %s: %t, want %t", plugin, kind, ok, want)
				}
				if other, _ := m.prove(plugin, NewSalt(), answer); ok && plugin != ClearPassword && !other.None() {
					rt.Fatalf("%s: an answer to one salt is a proof for another", plugin)
				}
			}
		}
	})
}

func noNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return false
		}
	}
	return true
}

func TestSaltsDifferAndHaveNeitherNULNorDollar(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		salt := NewSalt()
		if len(salt) != SaltLength || seen[string(salt)] {
			t.Fatalf("salt % x: %d bytes, seen before: %t", salt, len(salt), seen[string(salt)])
		}
		seen[string(salt)] = true
		for _, b := range salt {
			if b == 0 || b == '$' || b >= 0x80 {
				t.Fatalf("salt % x", salt)
			}
		}
	}
}
