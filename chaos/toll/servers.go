package toll

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// What the clients log in with, everywhere.
const (
	user     = "toll"
	password = "toll"
	schema   = "toll"
)

// starts is how long a process may take to answer, on a busy machine.
const starts = time.Minute

// rows is the size of the table of the small statements.
const rows = 10000

// server is one mariadbd.
type server struct {
	*process
	address netip.AddrPort
	db      *sql.DB
}

// makeServers starts a writer and a reader that replicates from it, with the tables
// of the loads.
func makeServers(ctx context.Context, dir string, core int) (writer, reader *server, err error) {
	template := filepath.Join(dir, "template")
	if err := lab.MakeTemplate(ctx, template); err != nil {
		return nil, nil, err
	}
	if writer, err = startServer(ctx, dir, "writer", 1, core, template); err != nil {
		return nil, nil, err
	}
	if reader, err = startServer(ctx, dir, "reader", 2, core, template); err != nil {
		writer.stop()
		return nil, nil, err
	}
	err = writer.exec(ctx, "SET GLOBAL read_only=0",
		"CREATE USER "+user+"@'%' IDENTIFIED BY '"+password+"'", "GRANT ALL ON *.* TO "+user+"@'%'",
		"CREATE DATABASE "+schema,
		"CREATE TABLE toll.small (id INT PRIMARY KEY, k INT NOT NULL, c CHAR(120) NOT NULL, KEY (k)) ENGINE=InnoDB",
		fmt.Sprintf("INSERT INTO toll.small SELECT seq, seq %% 1000, REPEAT(CHAR(97 + seq %% 26), 119) FROM toll.seq_1_to_%d", rows),
		"CREATE TABLE toll.big (id INT PRIMARY KEY, c LONGTEXT NOT NULL) ENGINE=InnoDB",
		"INSERT INTO toll.big SELECT seq, REPEAT(CHAR(97 + seq % 26), 100000) FROM toll.seq_1_to_100")
	if err == nil {
		err = reader.follow(ctx, writer)
	}
	if err != nil {
		writer.stop()
		reader.stop()
		return nil, nil, err
	}
	return writer, reader, nil
}

// follow makes it a replica that has all that the writer has.
func (s *server) follow(ctx context.Context, writer *server) error {
	if err := s.exec(ctx, fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='%s', MASTER_PASSWORD='%s', MASTER_USE_GTID=slave_pos",
		writer.address.Port(), user, password), "START SLAVE"); err != nil {
		return err
	}
	var at string
	if err := writer.db.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos").Scan(&at); err != nil {
		return err
	}
	var late int
	if err := s.db.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, 60)", at).Scan(&late); err != nil || late != 0 {
		return errors.Join(err, errors.New("the reader does not have the tables after a minute"))
	}
	return nil
}

// startServer copies the template and starts a server on it. A pool of threads lets
// it hold ten thousand connections; nothing is synced to a disk.
func startServer(ctx context.Context, under, name string, id, core int, template string) (*server, error) {
	dir := filepath.Join(under, name)
	if out, err := exec.CommandContext(ctx, "cp", "-a", template, dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the template: %w: %s", err, out)
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(under, name+".sock")
	p, err := spawn(name, core, "mariadbd", "--no-defaults", "--user=root", "--datadir="+dir, "--socket="+socket, "--pid-file="+socket+".pid",
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(int(address.Port())), "--skip-name-resolve", "--server-id="+strconv.Itoa(id),
		"--log-bin=binlog", "--log-slave-updates", "--binlog-format=ROW", "--gtid-strict-mode=1", "--skip-slave-start", "--read-only=1",
		"--innodb-flush-log-at-trx-commit=2", "--sync-binlog=0", "--max-binlog-size=64M",
		"--thread-handling=pool-of-threads", "--max-connections=45000", "--back-log=4096", "--max-allowed-packet=64M",
		"--innodb-log-file-size=64M", "--innodb-buffer-pool-size=128M", "--performance-schema=OFF")
	if err != nil {
		return nil, err
	}
	s := &server{process: p, address: address}
	conf := mysql.NewConfig()
	conf.User, conf.Net, conf.Addr, conf.Logger = "root", "unix", socket, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		s.kill()
		return nil, err
	}
	s.db = sql.OpenDB(connector)
	return s, s.await(starts, func() error { return s.db.PingContext(ctx) })
}

func (s *server) exec(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := s.db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

func (s *server) stop() {
	_ = s.db.Close()
	s.kill()
}

func (s *server) version(ctx context.Context) string {
	var v string
	if err := s.db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&v); err != nil {
		return "unknown"
	}
	v, _, _ = strings.Cut(v, "+")
	return v
}

// freeAddress is a port of this machine that nobody uses at the moment.
func freeAddress() (netip.AddrPort, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer func() { _ = l.Close() }()
	return netip.ParseAddrPort(l.Addr().String())
}
