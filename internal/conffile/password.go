package conffile

import (
	"fmt"
	"os"
	"strings"
)

// Password reads a password file: one line, not readable by others. No path is an
// empty password. What says in errors which one it is.
func Password(what, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s: %s is readable by everybody: chmod 0600 it", what, path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
