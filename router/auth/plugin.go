package auth

import (
	"crypto/rand"
	"crypto/subtle"
)

// Names of plugins, as the protocol has them.
const (
	Native        = "mysql_native_password"
	CachingSHA2   = "caching_sha2_password"
	SHA256        = "sha256_password"
	Ed25519       = "client_ed25519"
	ClearPassword = "mysql_clear_password"
	OldPassword   = "mysql_old_password"

	// dialog is how a MariaDB client answers PAM: it sends passwords as they are.
	dialog = "dialog"
)

// RelayPlugin is what the router names as its plugin, with an empty answer, in
// the handshake response of a login that is relayed. No server knows it, so each
// asks by an AuthSwitchRequest for the plugin of the account.
const RelayPlugin = "mmm_relay"

// SaltLength is how many bytes a greeting's salt has.
const SaltLength = 20

// NewSalt makes the salt of one greeting. Like those of servers it has no NUL,
// where clients would cut it off, and no '$', which ends a salt where
// caching_sha2_password keeps one. It is for one connection only.
func NewSalt() []byte {
	salt := make([]byte, 0, SaltLength)
	var some [2 * SaltLength]byte
	for len(salt) < SaltLength {
		_, _ = rand.Read(some[:]) // never fails, says its documentation
		for _, b := range some {
			if b &= 0x7f; b != 0 && b != '$' && len(salt) < SaltLength {
				salt = append(salt, b)
			}
		}
	}
	return salt
}

// bare is a salt without the NUL that packets carry behind it.
func bare(salt []byte) []byte {
	if len(salt) == SaltLength+1 && salt[SaltLength] == 0 {
		return salt[:SaltLength]
	}
	return salt
}

func same(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// xor is a with b laid over it as often as needed.
func xor(a, b []byte) []byte {
	out := make([]byte, len(a))
	for i := range a {
		out[i] = a[i] ^ b[i%len(b)]
	}
	return out
}
