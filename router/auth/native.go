package auth

import (
	"crypto/sha1" //nolint:gosec // the plugin is defined by it
	"encoding/hex"
	"fmt"
	"strings"
)

// double is SHA1(SHA1(password)): what a server stores as *HEX for
// mysql_native_password.
type double [sha1.Size]byte

func parseDouble(stored string) (double, error) {
	var d double
	digits, starred := strings.CutPrefix(stored, "*")
	raw, err := hex.DecodeString(digits)
	if !starred || err != nil || len(raw) != len(d) {
		return d, fmt.Errorf("read a hash of %s: it must be '*' and 40 hexadecimal digits", Native)
	}
	return double(raw), nil
}

// mask is what a client laid over SHA1(password).
func (d double) mask(salt []byte) []byte {
	h := sha1.New()
	h.Write(bare(salt))
	h.Write(d[:])
	return h.Sum(nil)
}

// prove tells whether the answer to that salt is by somebody who knows the
// password. If so it yields SHA1(password), which logs in anywhere.
func (d double) prove(salt, answer []byte) (Secret, bool) {
	if len(answer) != sha1.Size {
		return Secret{}, false
	}
	once := xor(answer, d.mask(salt))
	twice := sha1.Sum(once)
	if !same(twice[:], d[:]) {
		return Secret{}, false
	}
	return onceSecret([sha1.Size]byte(once)), true
}

// answerNative is the client's side: SHA1(pw) XOR SHA1(salt + SHA1(SHA1(pw))).
func answerNative(once [sha1.Size]byte, salt []byte) []byte {
	return xor(once[:], double(sha1.Sum(once[:])).mask(salt))
}

func doubleOf(password string) double {
	once := sha1.Sum([]byte(password))
	return sha1.Sum(once[:])
}
