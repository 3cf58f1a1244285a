package dbops

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Findings are settings that ought to be otherwise, each one sentence with the
// line for my.cnf that puts it right.
type Findings struct {
	Refuse []string // with these the server must not be managed: a guarantee would be broken silently
	Warn   []string // slower, or less safe in a double fault
}

// Problems looks at what the server's configuration would give at a restart (the
// process's own binary and arguments are asked), and at what runs now. hosts is
// how many database hosts the cluster has. It takes about 100 ms: not for a loop.
func (s *Server) Problems(ctx context.Context, pid, hosts int) (Findings, error) {
	ctx, cancel, d, err := s.begin(ctx, s.work)
	if err != nil {
		return Findings{}, err
	}
	defer cancel()
	file, err := readConfiguration(ctx, pid)
	if err != nil {
		return Findings{}, err
	}
	running, err := s.readVariables(ctx, d)
	if err != nil {
		return Findings{}, err
	}
	return judge(d.settings, file, running, hosts), nil
}

// setting is one demand on the configuration.
type setting struct {
	name   string // as the table of --help --verbose has it
	good   func(value string, hosts int) bool
	want   func(hosts int) string // what to write after "name = "
	why    string                 // continues "because"
	refuse bool
	// roleless settings are changed by the agent while it runs (read_only), so
	// only the file is looked at.
	roleless bool
}

// judge is pure: the same tables give the same sentences, in the order of the list.
func judge(list []setting, file, running configuration, hosts int) Findings {
	var out Findings
	for _, set := range list {
		sentence := ""
		value, known := file[set.name]
		now, runs := running[strings.ReplaceAll(set.name, "-", "_")]
		if !known {
			value = now // an option that the table leaves out: what runs is all we know
		}
		line := strings.ReplaceAll(set.name, "-", "_") + " = " + set.want(hosts)
		switch {
		case !known && !runs:
			sentence = fmt.Sprintf("this server knows no %s: use MariaDB 10.11 or later, because %s", set.name, set.why)
		case !set.good(value, hosts):
			sentence = fmt.Sprintf("my.cnf gives %s = %s, because %s put this line under [mysqld]: %s",
				strings.ReplaceAll(set.name, "-", "_"), shown(value), set.why, line)
		case !set.roleless && runs && !set.good(now, hosts):
			sentence = fmt.Sprintf("%s is %s in the running server although my.cnf is right: restart it, because %s",
				strings.ReplaceAll(set.name, "-", "_"), shown(now), set.why)
		}
		switch {
		case sentence == "":
		case set.refuse:
			out.Refuse = append(out.Refuse, sentence)
		default:
			out.Warn = append(out.Warn, sentence)
		}
	}
	return out
}

func shown(value string) string {
	if value == "" {
		return "nothing"
	}
	return value
}

func (s *Server) readVariables(ctx context.Context, d *dialect) (configuration, error) {
	set, err := s.query(ctx, s.work, "read the variables", d.variables)
	if err != nil {
		return nil, err
	}
	out := make(configuration, len(set))
	for _, r := range set {
		out[strings.ToLower(r["Variable_name"])] = r["Value"]
	}
	return out, nil
}

// The ways to demand a value.

func on(v string, _ int) bool  { return isTrue(v) }
func off(v string, _ int) bool { return !isTrue(v) }

func some(v string, _ int) bool { return v != "" && v != "0" && !strings.EqualFold(v, "OFF") }

func exactly(want string) func(string, int) bool {
	return func(v string, _ int) bool { return strings.EqualFold(v, want) }
}

func listed(want string) func(string, int) bool {
	return func(v string, _ int) bool { return slices.Contains(strings.Split(v, ","), want) }
}

// extraConnections is how many the second listener needs: replicas, their
// reconnects and their kills, and a reserve for people.
func extraConnections(hosts int) int { return 10 + 3*hosts }

func enoughConnections(v string, hosts int) bool {
	n, err := strconv.Atoi(v)
	return err == nil && n >= extraConnections(hosts)
}

func write(text string) func(int) string { return func(int) string { return text } }
