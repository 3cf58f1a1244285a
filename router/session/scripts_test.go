package session

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mmm-ha/mmm/router/wire"
)

// A script is what one application does, line by line, possibly by several
// connections. A line is a statement, or a command that begins with a colon; see
// act. "[b] " in front means the second connection. What is asked of the rest of
// the world by a script stands in lines of their own:
//
//	# text          a comment
//	~ in front      the answer does not count
//	caps track      only with these capabilities of the client
//	alone           not at the same time as others, for it locks the whole server
//	near            only with a reader that is not behind, for it moves much
//
// $db is the script's own schema, $me and $b the numbers of its connections.

type line struct {
	who  string // "" or "b"
	text string
}

type script struct {
	name  string
	caps  []string
	alone bool
	near  bool
	lines []line
}

// capsOf are the clients that there are, by what they agree on.
var capsOf = map[string]wire.Capability{
	"old":   0,
	"new":   wire.DeprecateEOF | wire.MariaExtendedMetadata,
	"track": wire.DeprecateEOF | wire.SessionTrack,
	"both":  wire.SessionTrack, // of MySQL 5.7
}

func parseScript(name, text string) script {
	s := script{name: name}
	for _, l := range strings.Split(text, "\n") {
		l = strings.TrimSpace(l)
		switch {
		case l == "" || l[0] == '#':
		case l == "alone":
			s.alone = true
		case l == "near":
			s.near = true
		case strings.HasPrefix(l, "caps "):
			s.caps = strings.Fields(l)[1:]
		case strings.HasPrefix(l, "[b] "):
			s.lines = append(s.lines, line{"b", l[4:]})
		default:
			s.lines = append(s.lines, line{"", l})
		}
	}
	return s
}

func scripts(t testing.TB) []script {
	t.Helper()
	files, err := filepath.Glob("testdata/scripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	var all []script
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parseScript(strings.TrimSuffix(filepath.Base(f), ".txt"), string(b)))
	}
	return all
}

// stage is where a script is played.
type stage struct {
	address string
	caps    wire.Capability
	schema  string
	clients map[string]*talker
}

// play plays a script and returns what was said. The schema is made by the script's
// own connection, so that a reader that is behind is no excuse.
func play(address, schema string, caps wire.Capability, s script, session map[string]bool) (string, error) {
	st := &stage{address: address, caps: caps, schema: schema, clients: map[string]*talker{}}
	defer st.close()
	a, err := st.client("")
	if err != nil {
		return "", err
	}
	for _, q := range []string{"DROP DATABASE IF EXISTS " + schema, "CREATE DATABASE " + schema, "USE " + schema} {
		a.query(q)
	}
	a.log.Reset()
	var log strings.Builder
	for _, l := range s.lines {
		k, err := st.client(l.who)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&log, "[%s] %s\n", l.who, l.text)
		text, err := st.filled(strings.TrimPrefix(l.text, "~"))
		if err == nil {
			err = st.act(k, text)
		}
		if err != nil {
			return "", err
		}
		if l.text[0] != '~' {
			log.WriteString(k.log.String())
		}
		k.log.Reset()
	}
	for _, who := range []string{"", "b"} {
		if k := st.clients[who]; k != nil && k.broken == nil {
			log.WriteString(k.variables("/* mmm:writer */ SHOW SESSION VARIABLES", session))
			log.WriteString(k.variables("SHOW SESSION VARIABLES", session))
		}
	}
	return st.masked(log.String()), nil
}

// masked is what was said without what must differ: numbers that servers give out.
func (st *stage) masked(text string) string {
	for who, k := range st.clients {
		number := regexp.MustCompile(fmt.Sprintf(`(?m)^(  error .* thread id: )%d\b`, k.greeting.Connection))
		text = number.ReplaceAllString(text, "${1}<number of "+who+">")
	}
	text = numbers.ReplaceAllString(text, "$1(..)")
	text = positions.ReplaceAllString(text, "last_gtid")
	return strings.ReplaceAll(text, st.schema, "<schema>")
}

var (
	numbers   = regexp.MustCompile(`(handler |The statement )\(\d+\)`)
	positions = regexp.MustCompile(`last_gtid="[0-9,-]*"`)
)

func (st *stage) close() {
	for _, k := range st.clients {
		k.close()
	}
}

func (st *stage) client(who string) (*talker, error) {
	if st.clients[who] == nil {
		k, err := greet(st.address, st.caps, "app", "secret", "")
		if err != nil {
			return nil, err
		}
		st.clients[who] = k
		if who != "" {
			k.query("USE " + st.schema)
			k.log.Reset()
		}
	}
	return st.clients[who], nil
}

func (st *stage) filled(text string) (string, error) {
	text = strings.ReplaceAll(text, "$db", st.schema)
	text = strings.ReplaceAll(text, "$me", fmt.Sprint(st.clients[""].greeting.Connection))
	if strings.Contains(text, "$b") {
		b, err := st.client("b")
		if err != nil {
			return "", err
		}
		text = strings.ReplaceAll(text, "$b", fmt.Sprint(b.greeting.Connection))
	}
	return text, nil
}

// act does what a line says.
func (st *stage) act(k *talker, text string) error {
	if text[0] != ':' {
		k.query(strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(text))
		return nil
	}
	word, rest, _ := strings.Cut(text, " ")
	args := strings.Fields(rest)
	switch word {
	case ":prepare":
		name, q, _ := strings.Cut(rest, " ")
		k.prepare(name, q)
	case ":execute", ":cursor", ":untyped":
		k.execute(args[0], word == ":cursor", word != ":untyped", args[1:])
	case ":fetch":
		n, _ := strconv.Atoi(args[1])
		k.about(wire.ComStmtFetch, args[0], byte(n), byte(n>>8), 0, 0)
	case ":long":
		n, _ := strconv.Atoi(args[1])
		k.about(wire.ComStmtLongData, args[0], append([]byte{byte(n), 0}, args[2]...)...)
	case ":longbig":
		n, _ := strconv.Atoi(args[1])
		k.about(wire.ComStmtLongData, args[0], append([]byte{byte(n), 0}, strings.Repeat("z", 1<<20)...)...)
	case ":reset":
		k.about(wire.ComStmtReset, args[0])
	case ":close":
		k.about(wire.ComStmtClose, args[0])
	case ":big": // a statement of that many bytes: its text up to the percent sign, filling, the rest
		n, _ := strconv.Atoi(args[0])
		before, after, _ := strings.Cut(strings.TrimPrefix(rest, args[0]+" "), "%")
		k.query(before + strings.Repeat("x", n-len(before)-len(after)) + after)
	case ":bigprepare": // likewise, prepared under a name
		words := strings.SplitN(rest, " ", 3)
		n, _ := strconv.Atoi(words[1])
		before, after, _ := strings.Cut(words[2], "%")
		k.prepare(words[0], before+strings.Repeat("x", n-len(before)-len(after))+after)
	case ":file":
		k.file = []byte(strings.ReplaceAll(rest, `\n`, "\n"))
	case ":bigfile":
		n, _ := strconv.Atoi(args[0])
		k.file = []byte(strings.Repeat("12345678\n", n/9))
	case ":start": // the answer is heard with :end
		k.say(wire.ComQuery, []byte(rest)...)
	case ":end":
		k.hear(wire.ComQuery)
	case ":sleep":
		d, _ := time.ParseDuration(args[0])
		time.Sleep(d)
	case ":user":
		k.changeUser(args[0], args[1], strings.Join(args[2:], ""))
	default:
		return k.command(word, rest)
	}
	return nil
}

// command is a command of the protocol without a shape of its own.
func (k *talker) command(word, rest string) error {
	commands := map[string]wire.Command{":ping": wire.ComPing, ":init_db": wire.ComInitDB, ":reset_connection": wire.ComResetConnection,
		":statistics": wire.ComStatistics, ":field_list": wire.ComFieldList, ":set_option": wire.ComSetOption, ":debug": wire.ComDebug,
		":refresh": wire.ComRefresh, ":create_db": wire.ComCreateDB, ":time": wire.ComTime, ":kill": wire.ComProcessKill, ":quit": wire.ComQuit}
	c, ok := commands[word]
	if !ok {
		return fmt.Errorf("a script says %q", word)
	}
	more := []byte(rest)
	switch c {
	case wire.ComFieldList:
		more = append(more, 0)
	case wire.ComSetOption, wire.ComRefresh:
		n, _ := strconv.Atoi(rest)
		more = []byte{byte(n), 0}
	case wire.ComProcessKill:
		n, _ := strconv.Atoi(rest)
		more = []byte{byte(n), byte(n >> 8), byte(n >> 16), byte(n >> 24)}
	default: // the rest of the line is what it brings
	}
	k.say(c, more...)
	k.hear(c)
	return nil
}

// variables are the values of a session's variables, without those that must differ.
func (k *talker) variables(q string, session map[string]bool) string {
	k.log.Reset()
	k.query(q)
	defer k.log.Reset()
	var b strings.Builder
	fmt.Fprintln(&b, q)
	for _, l := range strings.Split(k.log.String(), "\n") {
		row, ok := strings.CutPrefix(l, "  row ")
		if !ok {
			continue
		}
		text, err := strconv.Unquote(row)
		if err != nil || len(text) <= int(text[0]) {
			continue
		}
		if name := text[1 : 1+text[0]]; session[name] {
			fmt.Fprintf(&b, "  %s %q\n", name, text[1+text[0]:])
		}
	}
	return b.String()
}

// notCompared are variables of a session that differ between any two sessions, or
// tell of what the router asks of servers for itself.
var notCompared = []string{"pseudo_thread_id", "timestamp", "last_gtid", "rand_seed1", "rand_seed2", "session_track_system_variables",
	"session_track_schema", "session_track_state_change", "session_track_transaction_info", "gtid_seq_no", "server_id", "warning_count", "error_count"}

// sessionVariables are the names of the variables that a session has for itself.
func sessionVariables(r *rig) map[string]bool {
	rows, err := root(r, r.servers["db1"]).Query("SELECT LOWER(VARIABLE_NAME) FROM information_schema.SYSTEM_VARIABLES WHERE VARIABLE_SCOPE <> 'GLOBAL'")
	if err != nil {
		r.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	all := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			r.Fatal(err)
		}
		all[name] = !slices.Contains(notCompared, name)
	}
	if err := rows.Err(); err != nil || len(all) < 100 {
		r.Fatal(len(all), err)
	}
	return all
}

// differ shows where two texts part; empty if they are the same.
func differ(direct, through string) string {
	a, b := strings.Split(direct, "\n"), strings.Split(through, "\n")
	statement := ""
	for i := range min(len(a), len(b)) {
		if strings.HasPrefix(a[i], "[") || strings.HasPrefix(a[i], "SHOW") || strings.HasPrefix(a[i], "/*") {
			statement = a[i]
		}
		if a[i] != b[i] {
			return fmt.Sprintf("%s\n directly: %s\n  through: %s", statement, a[i], b[i])
		}
	}
	if len(a) != len(b) {
		return fmt.Sprintf("%s\n directly %d lines, through %d", statement, len(a), len(b))
	}
	return ""
}
