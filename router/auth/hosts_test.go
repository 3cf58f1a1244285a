package auth

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestHostPatternsMatchAsServersDo(t *testing.T) {
	for _, c := range []struct {
		pattern, client string // client "": a unix socket
		want            bool
	}{
		{"%", "192.0.2.5", true},
		{"", "192.0.2.5", true},
		{"%", "", true},
		{"%", "2001:db8::1", true},
		{"192.0.2.5", "192.0.2.5", true},
		{"192.0.2.5", "::ffff:192.0.2.5", true},
		{"192.0.2.5", "192.0.2.55", false},
		{"192.0.2.5_", "192.0.2.55", true},
		{"192.0.2.5_", "192.0.2.5", false},
		{"192.0.2.%", "192.0.2.200", true},
		{"192.0.2.%", "192.0.20.1", false},
		{"192.0.2\\_%", "192.0.2.1", false},
		{"192.0.2.0/24", "192.0.2.255", true},
		{"192.0.2.0/24", "192.0.3.0", false},
		{"192.0.2.0/24", "2001:db8::1", false},
		{"192.0.2.0/24", "", false},
		{"192.0.2.128/255.255.255.128", "192.0.2.129", true},
		{"192.0.2.128/255.255.255.128", "192.0.2.127", false},
		{"192.0.2.5/255.255.255.255", "192.0.2.5", true},
		{"192.0.2.5/255.255.255.255", "192.0.2.6", false},
		{"2001:DB8::1", "2001:db8::1", true},
		{"2001:db8::%", "2001:db8::77", true},
		{"2001:db8::/32", "2001:db8:1::77", true},
		{"2001:db8::/32", "2001:db9::77", false},
		{"0.0.0.0/0", "192.0.2.5", true},
		{"localhost", "", true},
		{"LOCALHOST", "", true},
		{"localhost", "127.0.0.1", false}, // as at a server that looks up no names
		{"localhost", "::1", false},
		{"localhost", "192.0.2.5", false},
		{"127.0.0.1", "192.0.2.5", false},
		{"app.example.com", "192.0.2.5", false},
		{"%.example.com", "192.0.2.5", false},
	} {
		var client netip.Addr
		if c.client != "" {
			client = netip.MustParseAddr(c.client)
		}
		if got := host(t, c.pattern).Matches(client); got != c.want {
			t.Errorf("%q for %q: %t, want %t", c.pattern, c.client, got, c.want)
		}
	}
}

func TestHostsThatAreNoPatternsAreErrors(t *testing.T) {
	for _, bad := range []string{"192.0.2.0/33", "192.0.2.0/255.0.255.0", "x/24", "192.0.2.0/", "192.0.2.0/ffff::", "2001:db8::/255.255.0.0"} {
		if p, err := ParseHostPattern(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, p)
		}
	}
}

// plainLike is LIKE by its definition.
func plainLike(text, pattern string) bool {
	if pattern == "" {
		return text == ""
	}
	rest := pattern[1:]
	switch {
	case pattern[0] == '%':
		return plainLike(text, rest) || text != "" && plainLike(text[1:], pattern)
	case pattern[0] == '\\' && rest != "":
		return text != "" && text[0] == rest[0] && plainLike(text[1:], rest[1:])
	default:
		return text != "" && (pattern[0] == '_' || pattern[0] == text[0]) && plainLike(text[1:], rest)
	}
}

func TestLikeIsItsDefinition(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[12._%]{0,8}`).Draw(rt, "text")
		pattern := rapid.StringMatching(`[12._%\\]{0,8}`).Draw(rt, "pattern")
		if got, want := like(text, pattern), plainLike(text, pattern); got != want {
			rt.Fatalf("%q like %q: %t, want %t", text, pattern, got, want)
		}
	})
}
