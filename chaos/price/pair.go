package price

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/mmm-ha/mmm/chaos/lab"
)

// starts is how long a server may take to answer, on a busy machine.
const starts = time.Minute

// pair is a source and its replica.
type pair struct {
	dir             string
	source, replica *server
}

// newPair makes both in a directory of their own below dir.
func newPair(ctx context.Context, dir string) (_ *pair, err error) {
	own, err := os.MkdirTemp(dir, "mmm-price-")
	if err != nil {
		return nil, err
	}
	p := &pair{dir: own}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	template := filepath.Join(own, "template")
	if err := lab.MakeTemplate(ctx, template); err != nil {
		return nil, err
	}
	if p.source, err = startServer(ctx, own, "source", 1, template); err != nil {
		return nil, err
	}
	if p.replica, err = startServer(ctx, own, "replica", 2, template); err != nil {
		return nil, err
	}
	err = p.source.exec(ctx, "CREATE DATABASE price", "CREATE TABLE price.t (id BIGINT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(200)) ENGINE=InnoDB",
		"CREATE USER price@'127.0.0.1' IDENTIFIED BY 'price'", "GRANT REPLICATION SLAVE ON *.* TO price@'127.0.0.1'")
	if err == nil {
		// What the replica does after it has received is waited for by nobody.
		err = p.replica.exec(ctx, "SET GLOBAL sync_binlog=0, innodb_flush_log_at_trx_commit=2", fmt.Sprintf("CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=%d, MASTER_USER='price', MASTER_PASSWORD='price', MASTER_USE_GTID=slave_pos", p.source.port), "START SLAVE")
	}
	return p, err
}

// choose lets the replica catch up as fast as it can, sets a choice and waits until
// it holds.
func (p *pair) choose(ctx context.Context, c Choice) error {
	if err := p.catchUp(ctx); err != nil {
		return err
	}
	err := errors.Join(
		p.source.exec(ctx, c.Source...),
		p.replica.exec(ctx, append([]string{"STOP SLAVE", fmt.Sprintf("SET GLOBAL rpl_semi_sync_slave_enabled=%t", c.Waits)}, append(c.Replica, "START SLAVE")...)...))
	if err != nil || !c.Waits {
		return err
	}
	err = p.source.exec(ctx, "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC, rpl_semi_sync_master_timeout=1000000000000", "SET GLOBAL rpl_semi_sync_master_enabled=1")
	if err != nil {
		return err
	}
	for end := time.Now().Add(starts); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if n, err := p.source.status(ctx, "Rpl_semi_sync_master_clients"); err != nil || n == "1" {
			return err
		}
	}
	return errors.New("the replica does not acknowledge")
}

// catchUp empties the relay log, with nothing synced and nobody waiting.
func (p *pair) catchUp(ctx context.Context) error {
	err := errors.Join(p.source.exec(ctx, "SET GLOBAL rpl_semi_sync_master_enabled=0"),
		p.replica.exec(ctx, append(append([]string{"STOP SLAVE"}, unrelayed...), "START SLAVE")...))
	if err != nil {
		return err
	}
	var at string
	if err := p.source.db.QueryRowContext(ctx, "SELECT @@gtid_binlog_pos").Scan(&at); err != nil {
		return err
	}
	var late int
	if err := p.replica.db.QueryRowContext(ctx, "SELECT MASTER_GTID_WAIT(?, 60)", at).Scan(&late); err != nil || late != 0 {
		return errors.Join(err, errors.New("the replica does not catch up within a minute"))
	}
	return nil
}

// stillSo refuses a measurement during which commits ceased to wait.
func (p *pair) stillSo(ctx context.Context, c Choice) error {
	on, err := p.source.status(ctx, "Rpl_semi_sync_master_status")
	if err == nil && (on == "ON") != c.Waits {
		err = fmt.Errorf("semi-sync is %s at the end", on)
	}
	return err
}

func (p *pair) close() error {
	var errs []error
	for _, s := range []*server{p.replica, p.source} {
		if s != nil {
			errs = append(errs, s.stop())
		}
	}
	return errors.Join(append(errs, os.RemoveAll(p.dir))...)
}

// server is one mariadbd, on the loopback of this machine.
type server struct {
	db   *sql.DB
	cmd  *exec.Cmd
	log  bytes.Buffer
	port int
}

// startServer copies the template and starts a server on it.
func startServer(ctx context.Context, under, name string, id int, template string) (*server, error) {
	dir := filepath.Join(under, name)
	if out, err := exec.CommandContext(ctx, "cp", "-a", template, dir).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("copy the template: %w: %s", err, out)
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &server{port: port}
	socket := filepath.Join(under, name+".sock")
	s.cmd = exec.Command("mariadbd", "--no-defaults", "--user=root", "--datadir="+dir, "--socket="+socket, "--pid-file="+socket+".pid",
		"--bind-address=127.0.0.1", "--port="+strconv.Itoa(port), "--skip-name-resolve", "--server-id="+strconv.Itoa(id),
		"--log-bin=binlog", "--log-slave-updates", "--binlog-format=ROW", "--gtid-strict-mode=1", "--skip-slave-start",
		"--max-connections=100", "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=64M", "--performance-schema=OFF")
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // ends with us, whatever ends us
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	conf := mysql.NewConfig()
	conf.User, conf.Net, conf.Addr, conf.Logger = "root", "unix", socket, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(conf)
	if err != nil {
		return nil, errors.Join(err, s.kill())
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(64)
	s.db.SetMaxIdleConns(64)
	for end := time.Now().Add(starts); ; time.Sleep(50 * time.Millisecond) {
		err := s.db.PingContext(ctx)
		if err == nil {
			return s, nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return nil, errors.Join(fmt.Errorf("%s does not answer: %w", name, err), s.kill(), fmt.Errorf("its log: %s", s.log.String()))
		}
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	addr, err := net.ResolveTCPAddr("tcp", l.Addr().String())
	return addr.Port, errors.Join(err, l.Close())
}

func (s *server) exec(ctx context.Context, statements ...string) error {
	for _, text := range statements {
		if _, err := s.db.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

func (s *server) status(ctx context.Context, name string) (value string, err error) {
	err = s.db.QueryRowContext(ctx, "SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value)
	return value, err
}

// stop kills it: nothing of it is needed any more.
func (s *server) stop() error {
	err := s.db.Close()
	return errors.Join(err, s.kill())
}

func (s *server) kill() error {
	err := s.cmd.Process.Kill()
	_ = s.cmd.Wait() //nolint:errcheck // it was killed; only its end matters
	return err
}
