package lab

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/go-sql-driver/mysql"
)

// Accounts of every mysqld of a bed. They are fixed so that a test may look for
// a password where none may be.
const (
	AppUser     = "app" // from 192.0.2.%, owns the database app
	AppPassword = "canary-app-5b1f"
	AppDatabase = "app"

	AgentUser     = "mmm_agent" // on localhost, with the grants that the agent needs
	AgentPassword = "canary-agent-90c2"

	ReplicationUser     = "repl" // from 192.0.2.%
	ReplicationPassword = "canary-repl-e7d4"
)

// accounts is run once, on the template, where no binlog is written: all
// servers start with these rows and an empty GTID state.
const accounts = `
FLUSH PRIVILEGES;
CREATE DATABASE ` + AppDatabase + `;
CREATE USER ` + AgentUser + `@localhost IDENTIFIED BY '` + AgentPassword + `';
GRANT REPLICATION SLAVE ADMIN, REPLICATION MASTER ADMIN, BINLOG ADMIN, BINLOG REPLAY, BINLOG MONITOR,
	SLAVE MONITOR, READ_ONLY ADMIN, CONNECTION ADMIN, RELOAD, PROCESS, LOCK TABLES ON *.* TO ` + AgentUser + `@localhost;
GRANT ALL PRIVILEGES ON mmm.* TO ` + AgentUser + `@localhost;
CREATE USER ` + ReplicationUser + `@'192.0.2.%' IDENTIFIED BY '` + ReplicationPassword + `';
GRANT REPLICATION SLAVE ON *.* TO ` + ReplicationUser + `@'192.0.2.%';
CREATE USER ` + AppUser + `@'192.0.2.%' IDENTIFIED BY '` + AppPassword + `';
GRANT ALL PRIVILEGES ON ` + AppDatabase + `.* TO ` + AppUser + `@'192.0.2.%';
`

// initCnf makes a small datadir fast; its redo log is that of myCnf.
const initCnf = `[server]
user = root
innodb_log_file_size = 8M
innodb_buffer_pool_size = 24M
innodb_flush_log_at_trx_commit = 0
aria_log_file_size = 8M
`

// myCnf is the configuration that the agents demand (R14), made small.
var myCnf = template.Must(template.New("my.cnf").Parse(`[mysqld]
user = root
datadir = {{.Dir}}/data
socket = {{.Dir}}/mysqld.sock
pid_file = {{.Dir}}/mysqld.pid
tmpdir = {{.Dir}}
bind_address = 0.0.0.0
port = {{.Port}}
extra_port = {{.ReplicationPort}}
extra_max_connections = 30
max_connections = 200
skip_name_resolve = 1
tcp_keepalive_time = 5
tcp_keepalive_interval = 1
tcp_keepalive_probes = 5
server_id = {{.ServerID}}
report_host = {{.Address}}

# Every start is that of a replica until the agent says otherwise.
read_only = 1
skip_slave_start = 1
init_rpl_role = SLAVE
rpl_semi_sync_slave_enabled = 0

log_bin = binlog
log_slave_updates = 1
relay_log = relay
binlog_format = ROW
binlog_row_image = FULL
gtid_strict_mode = 1
gtid_domain_id = 0
sync_binlog = 1
innodb_flush_log_at_trx_commit = 1
sync_relay_log = 1
sync_master_info = 1
sync_relay_log_info = 1
relay_log_recovery = 0
rpl_semi_sync_master_wait_point = AFTER_SYNC
rpl_semi_sync_master_wait_no_slave = 1
rpl_semi_sync_master_timeout = 18446744073709551615
rpl_semi_sync_slave_kill_conn_timeout = 1
slave_net_timeout = 4
master_retry_count = 0
slave_run_triggers_for_rbr = NO
binlog_expire_logs_seconds = 0
# What mmmagent prestart keeps of a crashed server lies in the datadir.
ignore_db_dirs = mmm-kept

innodb_buffer_pool_size = 24M
innodb_log_file_size = 8M
aria_log_file_size = 8M
aria_pagecache_buffer_size = 8M
key_buffer_size = 1M
performance_schema = OFF
`))

// MakeTemplate makes a datadir with the accounts of a bed in dir, which must
// not exist. Beds made with Options.Template copy it instead of making one.
func MakeTemplate(ctx context.Context, dir string) error {
	cnf, tmp := dir+".cnf", dir+".tmp"
	// Servers name their temporary tables after their pid, which is the same in many
	// a world: in one /tmp they would take each other's and crash.
	if err := errors.Join(os.MkdirAll(tmp, 0o700), os.WriteFile(cnf, []byte(initCnf+"tmpdir = "+tmp+"\n"), 0o644)); err != nil {
		return fmt.Errorf("make template: %w", err)
	}
	defer func() { _ = errors.Join(os.Remove(cnf), os.RemoveAll(tmp)) }()
	install := exec.CommandContext(ctx, "mariadb-install-db", "--defaults-file="+cnf, "--user=root",
		"--datadir="+dir, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("make template: mariadb-install-db: %w: %s", err, out)
	}
	// --bootstrap runs SQL without network, threads or binlog.
	bootstrap := exec.CommandContext(ctx, "mariadbd", "--defaults-file="+cnf, "--datadir="+dir, "--bootstrap", "--tmpdir="+dir)
	bootstrap.Stdin = strings.NewReader(oneLinePerStatement(accounts))
	out, err := bootstrap.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("ERROR")) {
		return fmt.Errorf("make template: create accounts: %w: %s", err, out)
	}
	return nil
}

// oneLinePerStatement is what --bootstrap reads.
func oneLinePerStatement(sql string) string {
	var lines []string
	for s := range strings.SplitSeq(sql, ";") {
		if s = strings.Join(strings.Fields(s), " "); s != "" {
			lines = append(lines, s+";\n")
		}
	}
	return strings.Join(lines, "")
}

// installMySQL gives the host its datadir and my.cnf.
func (b *Bed) installMySQL(ctx context.Context, m *machine, template string) error {
	if !m.Database() {
		return nil
	}
	datadir := m.datadir()
	if b.options.Disks {
		boot, err := m.up()
		if err != nil {
			return err
		}
		datadir = m.mounted(boot)
	}
	copied := exec.CommandContext(ctx, "cp", "-a", "--reflink=auto", template+"/.", datadir)
	if out, err := copied.CombinedOutput(); err != nil {
		return fmt.Errorf("copy template for %s: %w: %s", m.Name, err, out)
	}
	if b.options.Disks {
		if err := flushDisk(datadir); err != nil {
			return fmt.Errorf("copy template for %s: %w", m.Name, err)
		}
	}
	var cnf bytes.Buffer
	err := myCnf.Execute(&cnf, map[string]any{
		"Dir": m.dir, "Address": m.Address, "ServerID": m.Address.As4()[3],
		"Port": ClientPort, "ReplicationPort": ReplicationPort,
	})
	if err == nil {
		err = os.WriteFile(filepath.Join(m.dir, "my.cnf"), cnf.Bytes(), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write my.cnf of %s: %w", m.Name, err)
	}
	return nil
}

// mysqldUnit is how the init of the host runs mysqld.
func (b *Bed) mysqldUnit(m *machine) (unitSpec, error) {
	path, err := lookPath("mariadbd")
	if err != nil {
		return unitSpec{}, err
	}
	u := unitSpec{
		Name:  UnitMySQL,
		Argv:  []string{path, "--defaults-file=" + filepath.Join(m.dir, "my.cnf")},
		Log:   m.log(UnitMySQL),
		Delay: mysqldDelay,
	}
	if b.prestart {
		u.Pre = []string{b.agentBin(), "prestart", "--datadir", filepath.Join(m.dir, "data"), "--port", fmt.Sprint(ClientPort)}
	}
	return u, nil
}

// openDB prepares the administrator's connections to the mysqld of a host, over its socket.
func openDB(m *machine) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.User, c.Net, c.Addr = "root", "unix", filepath.Join(m.dir, "mysqld.sock")
	c.Logger = &mysql.NopLogger{} // a killed server is no news here
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("configure connection to %s: %w", m.Name, err)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(8)
	return db, nil
}

// awaitMySQL waits until the mysqld of a host answers.
func (b *Bed) awaitMySQL(ctx context.Context, m *machine) error {
	return until(ctx, serverStarts, "mysqld on "+m.Name+" answers (its log: "+m.log(UnitMySQL)+")", func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, initAnswers)
		defer cancel()
		err := m.db.PingContext(ctx)
		return err == nil, err
	})
}
