package dbops

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/go-sql-driver/mysql"
	"pgregory.net/rapid"
)

// unquote is how the server reads a literal; false when something follows it.
func unquote(text string) (string, bool) {
	if len(text) < 2 || text[0] != '\'' {
		return "", false
	}
	var out strings.Builder
	for rest := text[1:]; ; {
		i := strings.IndexByte(rest, '\'')
		if i < 0 {
			return "", false
		}
		out.WriteString(rest[:i])
		rest = rest[i+1:]
		if !strings.HasPrefix(rest, "'") {
			return out.String(), rest == ""
		}
		out.WriteByte('\'')
		rest = rest[1:]
	}
}

func TestQuotedValueNeverEscapesItsQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.String(),
			rapid.StringOf(rapid.SampledFrom([]rune(`'"\;-- #/*ab`))),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
		).Draw(t, "value")
		text, err := quote(value)
		if err != nil {
			return // refusing is always safe
		}
		if strings.ContainsAny(text, "\\\x00\n\r") {
			t.Fatalf("quote(%q) = %q holds what may be read in two ways", value, text)
		}
		if back, whole := unquote(text); !whole || back != value {
			t.Fatalf("quote(%q) = %q reads back as %q", value, text, back)
		}
	})
}

func TestQuoteTakesOrdinaryPasswords(t *testing.T) {
	for in, want := range map[string]string{
		"":           "''",
		"it's":       "'it''s'",
		"pä55 wörd;": "'pä55 wörd;'",
	} {
		if got, err := quote(in); got != want || err != nil {
			t.Errorf("quote(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`back\slash`, "line\nbreak", "nul\x00", "\xff"} {
		if got, err := quote(in); err == nil {
			t.Errorf("quote(%q) = %q; want a refusal", in, got)
		}
	}
}

func TestAccountsAreRefusedBeforeAnyStatement(t *testing.T) {
	for _, user := range []string{"", "a'b", "a b", "`a`", "-a", strings.Repeat("a", 81)} {
		if _, err := Open(Options{Socket: "/x", User: user}); err == nil {
			t.Errorf("Open took the account %q", user)
		}
	}
	s, err := Open(Options{Socket: "/x", User: "a", ReplicationUser: "r", ReplicationPassword: "p"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, source := range []Source{
		{}, {Address: netip.MustParseAddr("192.0.2.1")}, {Address: netip.MustParseAddr("fe80::1%eth0"), Port: 1},
	} {
		if text, err := s.changeSource(&mariadb, source); err == nil {
			t.Errorf("source %s gave %q", source, text)
		}
	}
}

func TestErrorsAreToldApart(t *testing.T) {
	number := func(n uint16) error { return &mysql.MySQLError{Number: n, Message: "m"} }
	for _, c := range []struct {
		name string
		err  error
		want error
	}{
		{"too many", number(1040), ErrTooMany},
		{"denied", number(1045), ErrDenied},
		{"privilege", number(1227), ErrDenied},
		{"table denied", number(1142), ErrDenied},
		{"lock wait", number(1205), ErrLockWait},
		{"read-only", number(1290), ErrReadOnly},
		{"shutdown", number(1053), ErrUnreachable},
		{"refused", os.NewSyscallError("connect", syscall.ECONNREFUSED), ErrUnreachable},
		{"no socket", os.NewSyscallError("connect", syscall.ENOENT), ErrUnreachable},
		{"queue full", os.NewSyscallError("connect", syscall.EAGAIN), ErrTimeout},
		{"deadline", context.DeadlineExceeded, ErrTimeout},
		{"broken", mysql.ErrInvalidConn, ErrUnreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &Server{opt: Options{Socket: "/s", User: "u"}}
			got := s.explain("do it", c.err)
			if !errors.Is(got, c.want) || !errors.Is(got, c.err) || !strings.HasPrefix(got.Error(), "do it: ") {
				t.Errorf("explain = %v; want it to be %v and to keep %v", got, c.want, c.err)
			}
		})
	}
	s := &Server{}
	if err := s.explain("do it", context.Canceled); !errors.Is(err, context.Canceled) || errors.Is(err, ErrTimeout) {
		t.Errorf("a cancelled context became %v", err)
	}
}

func TestMySQLIsRefusedInOneSentence(t *testing.T) {
	_, err := detect("9.7.4")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "MySQL is not supported yet") {
		t.Fatalf("err = %v", err)
	}
	if d, err := detect("10.11.19-MariaDB-0+deb12u1-log"); err != nil || d.name != "mariadb" {
		t.Fatalf("MariaDB: %v, %v", d, err)
	}
}

func TestClientsAddressIsReadFromTheServersList(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")
	for _, c := range []struct {
		host string
		addr netip.Addr
		want bool
	}{
		{"192.0.2.7:40000", v4, true},
		{"::ffff:192.0.2.7:40000", v4, true},
		{"2001:db8::7:40000", v6, true},
		{"[2001:db8::7]:40000", v6, true},
		{"192.0.2.70:40000", v4, false},
		{"localhost", v4, false},
		{"", v4, false},
	} {
		if got := comesFrom(t.Context(), c.host, c.addr); got != c.want {
			t.Errorf("comesFrom(%q, %s) = %t", c.host, c.addr, got)
		}
	}
}

func TestVariablesAreReadFromTheTable(t *testing.T) {
	got := parseVariables([]byte(`mysqld  Ver 10
Usage: mysqld [OPTIONS]
  --a-b=#             Text

Variables (--variable-name=value)
----------------------------------- -------------
log-bin                             binlog
init-connect                        SET NAMES utf8
log-bin-index                       (No default value)
read-only                           TRUE

To see what values a running server is using, type
read-only  FALSE
`))
	want := configuration{"log-bin": "binlog", "init-connect": "SET NAMES utf8", "log-bin-index": "", "read-only": "TRUE"}
	if len(got) != len(want) {
		t.Fatalf("got %v", got)
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %q, want %q", k, got[k], v)
		}
	}
	if len(parseVariables([]byte("unknown option --x\n"))) != 0 {
		t.Error("an error message passed for a table")
	}
}

// What belongs to the data and lies elsewhere would not be replaced with them.
func TestFilesOutsideTheDatadirAreNamed(t *testing.T) {
	inside := configuration{"innodb-data-home-dir": "", "innodb-undo-directory": "./", "log-bin": "binlog", "relay-log": "/var/lib/mysql/relay", "aria-log-dir-path": "/tmp/" + emptyDir + "1/"}
	if err := outside(inside, "/var/lib/mysql"); err != nil {
		t.Error(err)
	}
	for name, value := range map[string]string{"innodb-data-home-dir": "/data/innodb", "log-bin": "/var/log/mysql/binlog", "innodb-undo-directory": "/var/lib/mysql2/"} {
		table := configuration{name: value}
		if err := outside(table, "/var/lib/mysql"); !errors.Is(err, ErrElsewhere) || !strings.Contains(err.Error(), value) {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
}
