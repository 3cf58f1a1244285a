package dbops

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// mysqlAccounts is how MySQL says what MariaDB keeps as JSON. The managing of
// MySQL is another matter: see detect.
var mysqlAccounts = dialect{
	name: "MySQL",
	accounts: `SELECT User, Host, JSON_OBJECT(` +
		`'plugin', plugin, ` +
		`'authentication_string', CONVERT(authentication_string USING utf8mb4), ` +
		`'account_locked', IF(account_locked='Y', CAST('true' AS JSON), CAST('false' AS JSON)), ` +
		`'password_last_changed', IF(password_expired='Y', 0, 1), ` +
		`'ssl_type', CASE ssl_type WHEN 'ANY' THEN 1 WHEN 'X509' THEN 2 WHEN 'SPECIFIED' THEN 3 ELSE 0 END) ` +
		`FROM mysql.user`,
	accountsTable: `mysql.user`,
}

// AccountServer is a server whose accounts are read by an account of the
// router's own (RouterGrantStatements), which may do nothing else.
type AccountServer struct {
	Address  netip.AddrPort
	User     string
	Password string
	// TLS protects what the server says. Without it whoever listens on the way
	// gets the stored hashes, and with one of a mysql_native_password and a
	// login that he saw, the means to log in.
	TLS *tls.Config
}

// ReadAccounts connects to a server, reads its accounts by Accounts, and
// disconnects. It fails with the errors of this package.
func ReadAccounts(ctx context.Context, from AccountServer, each func(user, host, privileges string)) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.Net, cfg.Addr = from.User, from.Password, "tcp", from.Address.String()
	cfg.TLS = from.TLS
	cfg.Timeout = dialLimit
	cfg.Logger = quiet{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("read the accounts: %w", err)
	}
	db := sql.OpenDB(connector)
	return errors.Join(Accounts(ctx, db, each), db.Close())
}

// Accounts calls each for every row of the server's table of accounts, with the
// account's user, its host, and its privileges as MariaDB writes them: a JSON
// object with plugin, authentication_string, auth_or, account_locked, is_role and
// so on. A MySQL server is asked in a way that gives the same names. When it
// fails, some rows may have been given.
func Accounts(ctx context.Context, db *sql.DB, each func(user, host, privileges string)) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	err := readAccounts(ctx, db, each)
	if sentinel := sentinelFor(err); sentinel != nil {
		return fmt.Errorf("read the accounts: %w: %w", sentinel, err)
	}
	if err != nil {
		return fmt.Errorf("read the accounts: %w", err)
	}
	return nil
}

func readAccounts(ctx context.Context, db *sql.DB, each func(user, host, privileges string)) error {
	var version string
	if err := db.QueryRowContext(ctx, askVersion).Scan(&version); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, accountsDialect(version).accounts)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err has what there is to say
	for rows.Next() {
		var user, host, privileges string
		if err := rows.Scan(&user, &host, &privileges); err != nil {
			return err
		}
		each(user, host, privileges)
	}
	return rows.Err()
}

func accountsDialect(version string) *dialect {
	if strings.Contains(version, "MariaDB") {
		return &mariadb
	}
	return &mysqlAccounts
}

// RouterGrantStatements are what an administrator runs once, on the writer, to
// make the account by which a router at that host pattern reads the accounts of
// the server. It has the one privilege that this needs. mysql: for MySQL servers.
func RouterGrantStatements(user, host, password string, mysql bool) ([]string, error) {
	create, err := account(user, host, password)
	name, err1 := quote(user)
	at, err2 := quote(host)
	if err := errors.Join(err, err1, err2); err != nil {
		return nil, fmt.Errorf("write the grants: %w", err)
	}
	if !isAccount(user) || host == "" || password == "" {
		return nil, fmt.Errorf("write the grants: %q must be the name of an account, with a host and a password", user)
	}
	d := &mariadb
	if mysql {
		d = &mysqlAccounts
	}
	return []string{create, "GRANT SELECT ON " + d.accountsTable + " TO " + name + "@" + at}, nil
}
