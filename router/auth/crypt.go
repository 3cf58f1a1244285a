package auth

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
)

// cryptHash is what MySQL stores for caching_sha2_password: "$A$005$", 20 bytes
// of salt, 43 characters of digest. It is SHA-crypt of Drepper's description
// ($5$) with a longer salt and rounds counted in thousands.
type cryptHash struct {
	rounds int
	salt   string
	digest string
}

const (
	cryptSalt   = 20
	cryptDigest = 43
	// cryptRounds bounds what a stored form may cost to check, in thousands.
	cryptRounds = 0xfff
)

func parseCrypt(stored string) (cryptHash, error) {
	bad := fmt.Errorf("read a hash of %s: it must be $A$, three hexadecimal digits, $, 20 bytes of salt and 43 of digest", CachingSHA2)
	rest, ok := strings.CutPrefix(stored, "$A$")
	if !ok || len(rest) != 4+cryptSalt+cryptDigest || rest[3] != '$' {
		return cryptHash{}, bad
	}
	rounds, err := strconv.ParseUint(rest[:3], 16, 16)
	if err != nil || rounds < 5 || rounds > cryptRounds {
		return cryptHash{}, bad
	}
	return cryptHash{int(rounds) * 1000, rest[4 : 4+cryptSalt], rest[4+cryptSalt:]}, nil
}

// isOf takes milliseconds of a CPU, which is what the hash is for.
func (c cryptHash) isOf(password string) bool {
	return same([]byte(shaCrypt(password, c.salt, c.rounds)), []byte(c.digest))
}

// shaCrypt is the digest of SHA-crypt with SHA-256, without its prefix.
func shaCrypt(password, salt string, rounds int) string {
	pw := []byte(password)
	b := sum(pw, []byte(salt), pw)
	in := append(append([]byte{}, pw...), salt...)
	in = append(in, stretch(b, len(pw))...)
	for n := len(pw); n > 0; n >>= 1 {
		if n&1 != 0 {
			in = append(in, b...)
		} else {
			in = append(in, pw...)
		}
	}
	a := sum(in)

	var all []byte
	for range pw {
		all = append(all, pw...)
	}
	p := stretch(sum(all), len(pw))
	all = all[:0]
	for range 16 + int(a[0]) {
		all = append(all, salt...)
	}
	s := stretch(sum(all), len(salt))
	for i := range rounds {
		a = cryptRound(i, a, p, s)
	}
	return cryptText(a)
}

func cryptRound(i int, a, p, s []byte) []byte {
	h := sha256.New()
	pick := func(first bool) {
		if first {
			h.Write(p)
		} else {
			h.Write(a)
		}
	}
	pick(i%2 != 0)
	if i%3 != 0 {
		h.Write(s)
	}
	if i%7 != 0 {
		h.Write(p)
	}
	pick(i%2 == 0)
	return h.Sum(nil)
}

func sum(parts ...[]byte) []byte {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// stretch repeats b until there are n bytes.
func stretch(b []byte, n int) []byte {
	out := make([]byte, 0, n+len(b))
	for len(out) < n {
		out = append(out, b...)
	}
	return out[:n]
}

// cryptText writes 32 bytes in the order and the alphabet of crypt(3).
func cryptText(a []byte) string {
	const alphabet = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	var out strings.Builder
	put := func(v uint, n int) {
		for range n {
			out.WriteByte(alphabet[v&0x3f])
			v >>= 6
		}
	}
	for x, y, z := 0, 10, 20; ; x, y, z = z+1, x+1, y+1 {
		put(uint(a[x])<<16|uint(a[y])<<8|uint(a[z]), 4)
		if x == 9 {
			break
		}
	}
	put(uint(a[31])<<8|uint(a[30]), 3)
	return out.String()
}
