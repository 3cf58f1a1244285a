package route

import (
	"strings"
	"testing"
)

func TestVariablesAreToldReadFromSet(t *testing.T) {
	for _, c := range []struct{ sql, want string }{
		{"SELECT 1", ""},
		{"SELECT @a, @`B c`, @'it''s'", "a? b c? it's?"},
		{"SELECT @a := @a + 1", "a! a?"},
		{"SELECT x, y INTO @a, @b FROM t WHERE z = @c", "a! b! c?"},
		{"SELECT x FROM t WHERE @a = 1 INTO @b", "a? b!"},
		{"SET @a = 1, @b = (SELECT @c = 2, @d = 3), sql_mode = @e, @f := 1", "a! b! c? d? e? f!"},
		{"SELECT 1; SET @a = @b", "a! b?"},
		{"UPDATE t SET a = @a, b = @b WHERE @c = 1", "a? b? c?"},
		{"SELECT '@a' /* @b */ FROM t", ""},
		{"SELECT @@sql_mode, @a", "a?"},
		{"SET @a = 'open", "a!"},
	} {
		var got []string
		Variables([]byte(c.sql), 0, func(name string, set bool) { got = append(got, name+map[bool]string{true: "!", false: "?"}[set]) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %q, want %q", c.sql, got, c.want)
		}
	}
}
