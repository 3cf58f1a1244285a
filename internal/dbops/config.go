package dbops

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// helpLimit bounds a run of the server's binary that only prints its variables;
// it takes about 50 ms.
const helpLimit = 5 * time.Second

// emptyDir begins the name of the directory that stands in for the datadir when
// the binary is asked.
const emptyDir = "mmm-variables-"

// configuration is what the server's files and arguments say, by the names that
// the table of --help --verbose uses (with dashes).
type configuration map[string]string

// readConfiguration finds out what the process would have if it were started
// again: it runs the same binary with the same arguments and asks it to print its
// variables and end. A package that was upgraded meanwhile is what would start,
// so that binary answers.
func readConfiguration(ctx context.Context, pid int) (configuration, error) {
	do := fmt.Sprintf("read the configuration of process %d", pid)
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	args := strings.Split(strings.TrimSuffix(string(raw), "\x00"), "\x00")
	binary, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	binary = strings.TrimSuffix(binary, " (deleted)")
	out, err := printVariables(ctx, binary, args[1:], environment(pid))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	return out, nil
}

// environment keeps the two variables that steer which files a server reads.
func environment(pid int) []string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return nil // the usual files are read then, which is right nearly always
	}
	var out []string
	for _, v := range strings.Split(string(raw), "\x00") {
		if strings.HasPrefix(v, "MYSQL_HOME=") || strings.HasPrefix(v, "MYSQL_GROUP_SUFFIX=") {
			out = append(out, v)
		}
	}
	return out
}

// printVariables runs the binary. It points the run to an empty directory for its
// data: without that, it opens files of the live server. Its exit status is of
// no interest once it has printed the table: a variable of a plugin that is not
// loaded in such a run makes it nonzero.
func printVariables(ctx context.Context, binary string, args, env []string) (_ configuration, err error) {
	empty, err := os.MkdirTemp("", emptyDir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(empty)) }()
	ctx, cancel := context.WithTimeout(ctx, helpLimit)
	defer cancel()
	args = append(append([]string{}, args...),
		"--datadir="+empty, "--log-bin-index="+empty+"/index", "--help", "--verbose")
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir, cmd.Env = empty, env
	cmd.WaitDelay = time.Second
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, runErr := cmd.Output()
	table := parseVariables(out)
	if len(table) == 0 {
		return nil, fmt.Errorf("run %s --help --verbose: no table of variables came out: %w: %s",
			binary, runErr, lastLine(complaint.String()))
	}
	return table, nil
}

// parseVariables reads the table at the end of the output: a line of dashes, then
// "name   value" up to an empty line.
func parseVariables(out []byte) configuration {
	const absent = "(No default value)"
	table := configuration{}
	inside := false
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "-----") && strings.Contains(line, " -----"):
			inside = true
		case !inside:
		case strings.TrimSpace(line) == "":
			return table
		default:
			name, value, _ := strings.Cut(line, " ")
			if value = strings.TrimSpace(value); value == absent {
				value = ""
			}
			table[name] = value
		}
	}
	return table
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
