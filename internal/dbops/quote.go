package dbops

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// accountName is what an account may be called: what needs no quoting anywhere,
// and fits the server's 80 characters.
var accountName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$`)

func isAccount(s string) bool { return accountName.MatchString(s) }

// quote makes a string literal for a statement that takes no parameters (CHANGE
// MASTER, CREATE USER). It is the only place where a value becomes text. It
// refuses what could be read in two ways: a backslash means one thing or another
// depending on sql_mode, and control characters have no business in a name or a
// password.
func quote(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", fmt.Errorf("quote a value: it is not UTF-8")
	}
	for _, r := range s {
		if r == '\\' || unicode.IsControl(r) || r == utf8.RuneError {
			return "", fmt.Errorf("quote a value: it holds %q, which the server may read in two ways; choose another", r)
		}
	}
	return "'" + strings.ReplaceAll(s, "'", "''") + "'", nil
}
