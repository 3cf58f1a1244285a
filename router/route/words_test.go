package route

import (
	"strings"
	"testing"
)

func TestEveryKeywordIsFoundInWhateverCaseAndNothingElseIs(t *testing.T) {
	for text, want := range words {
		for _, as := range []string{text, strings.ToLower(text), text[:1] + strings.ToLower(text[1:])} {
			if got := keywordOf([]byte(as)); got != want {
				t.Errorf("%s: %d, want %d", as, got, want)
			}
		}
		for _, no := range []string{text + "x", "x" + text, text[:len(text)-1] + "0", "\x00" + text[1:], string(rune(text[0]^0x80)) + text[1:]} {
			if got := keywordOf([]byte(no)); got != words[strings.ToUpper(no)] {
				t.Errorf("%q: %d", no, got)
			}
		}
	}
	for _, no := range []string{"x", strings.Repeat("S", 40), strings.Repeat("s", 5000), "_", "\xff"} {
		if got := keywordOf([]byte(no)); got != other {
			t.Errorf("%q: %d", no, got)
		}
	}
}
