package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // a plugin is defined by it
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
)

// Secret is what the router may use to log in as a user, for as long as the
// user's session lasts. The zero value is no secret at all (None).
//
// It is never printed: fmt, slog and JSON get "[secret]". Secrets are compared by
// their Key.
type Secret struct {
	// A pointer, because fmt shows what is in an unexported field of somebody
	// else's struct without asking its methods.
	known *material
	_     [0]func() // ==  would compare pointers; the compiler forbids it
}

type material struct {
	once     [sha1.Size]byte // SHA1(password), all zero when the password is empty
	password string
	clear    bool // password is known, not only once
	empty    bool // the account has no password
}

// ClearSecret is a password. The empty one is the Secret of an account without.
func ClearSecret(password string) Secret {
	if password == "" {
		return Secret{known: &material{clear: true, empty: true}}
	}
	return Secret{known: &material{once: sha1.Sum([]byte(password)), password: password, clear: true}}
}

// onceSecret is SHA1(password): enough for mysql_native_password.
func onceSecret(once [sha1.Size]byte) Secret { return Secret{known: &material{once: once}} }

// None tells that nothing is known by which to log in.
func (s Secret) None() bool { return s.known == nil }

// Key names a user with a Secret, for pools: two Keys are equal if and only if
// user and password are. It says nothing about either to whoever sees it, and
// another process makes other Keys. The Key of None is zero, and is no name.
type Key [sha256.Size]byte

var keyOfKeys = sync.OnceValue(func() []byte {
	k := make([]byte, sha256.Size)
	_, _ = rand.Read(k) // never fails, says its documentation
	return k
})

// Key is the name under which connections of that user may be kept.
func (s Secret) Key(user string) Key {
	if s.None() {
		return Key{}
	}
	h := hmac.New(sha256.New, keyOfKeys())
	h.Write(s.known.once[:]) // first, being of fixed length
	h.Write([]byte(user))
	return Key(h.Sum(nil))
}

const hidden = "[secret]"

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides the secret.
func (Secret) GoString() string { return hidden }

// Format hides the secret whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText hides the secret from JSON and its like.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }
