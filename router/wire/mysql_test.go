package wire_test

import (
	"context"
	"database/sql"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/mmm-ha/mmm/router/wire"
)

// TestEveryAnswerOfMySQLEndsWhereTheWalkerSays needs a MySQL whose root has no
// password at the address in MMM_MYSQL, in which it makes a database d.
func TestEveryAnswerOfMySQLEndsWhereTheWalkerSays(t *testing.T) {
	address := os.Getenv("MMM_MYSQL")
	if address == "" {
		if strings.Contains(os.Getenv("MMM_REQUIRE"), "mysql") {
			t.Fatal("MMM_REQUIRE asks for mysql: set MMM_MYSQL")
		}
		t.Skip("SKIPPED: no MMM_MYSQL, the address of a MySQL whose root has no password")
	}
	_, number, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	port, _ := strconv.ParseUint(number, 10, 16)
	db, err := sql.Open("mysql", "root@tcp("+address+")/")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, q := range append([]string{"DROP DATABASE IF EXISTS d", "DROP USER IF EXISTS open@'%', app@'%'", "CREATE USER open@'%'", "GRANT ALL ON *.* TO open@'%'"}, content...) {
		if _, err := db.ExecContext(context.Background(), q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	for name, caps := range map[string]wire.Capability{
		"old": wire.LongPassword, "new": wire.LongPassword | wire.DeprecateEOF | wire.SessionTrack,
		"attributes": wire.LongPassword | wire.DeprecateEOF | wire.QueryAttributes,
	} {
		t.Run(name, func(t *testing.T) {
			r := rawLogin(t, uint16(port), caps)
			commandsOf(r)
			cursorsOf(r)
			proceduresOf(r)
		})
	}
	t.Run("driver", func(t *testing.T) { drive(t, uint16(port)) })
}
