package topology

import "fmt"

// Mode is how much the cluster does by itself.
type Mode string

// MMM's modes. Fences and renewals go on in every mode.
const (
	Active  Mode = "ACTIVE"  // everything by itself
	Manual  Mode = "MANUAL"  // readers move, the writer only by order
	Passive Mode = "PASSIVE" // nothing moves
)

// ParseMode reads a mode in any case.
func ParseMode(s string) (Mode, error) {
	switch m := Mode(upper(s)); m {
	case Active, Manual, Passive:
		return m, nil
	default:
		return "", fmt.Errorf("unknown mode %q; the modes are active, manual and passive", s)
	}
}

func upper(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'a' <= c && c <= 'z' {
			b[i] = c - 'a' + 'A'
		}
	}
	return string(b)
}
