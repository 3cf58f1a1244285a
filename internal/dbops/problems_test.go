package dbops_test

import (
	"strings"
	"testing"

	"github.com/mmm-ha/mmm/internal/dbops/dbopstest"
)

func TestTheHarnessHasNoProblems(t *testing.T) {
	h := start(t)
	found, err := h.ops.Problems(patiently(t), h.PID(), 5)
	must(t, err)
	if len(found.Refuse)+len(found.Warn) != 0 {
		t.Fatalf("refuse %q, warn %q; want nothing", found.Refuse, found.Warn)
	}
}

// One server has every bad setting at once: each must be named with its line.
// R14.
func TestProblemsNameEachBadSetting(t *testing.T) {
	h := dbopstest.Start(t)
	h.Stop()
	bad := []struct{ line, fix string }{
		{"gtid-strict-mode=0", "gtid_strict_mode = 1"},
		{"log-slave-updates=0", "log_slave_updates = 1"},
		{"read-only=0", "read_only = 1"},
		{"skip-slave-start=0", "skip_slave_start = 1"},
		{"binlog-format=MIXED", "binlog_format = ROW"},
		{"init-rpl-role=MASTER", "init_rpl_role = SLAVE"},
		{"rpl-semi-sync-slave-enabled=1", "rpl_semi_sync_slave_enabled = 0"},
		{"rpl-semi-sync-master-wait-point=AFTER_COMMIT", "rpl_semi_sync_master_wait_point = AFTER_SYNC"},
		{"sync-binlog=0", "sync_binlog = 1"},
		{"innodb-flush-log-at-trx-commit=2", "innodb_flush_log_at_trx_commit = 1"},
		{"extra-port=0", "extra_port = 3309"},
		{"skip-log-bin", "log_bin = binlog"},
	}
	warned := []struct{ line, fix string }{
		{"sync-relay-log=10000", "sync_relay_log = 1"},
		{"sync-master-info=10000", "sync_master_info = 1"},
		{"sync-relay-log-info=10000", "sync_relay_log_info = 1"},
		{"relay-log-recovery=1", "relay_log_recovery = 0"},
		{"slave-run-triggers-for-rbr=YES", "slave_run_triggers_for_rbr = NO"},
		{"extra-max-connections=1", "extra_max_connections = 25"},
		{"skip-name-resolve=0", "skip_name_resolve = 1"},
	}
	var lines []string
	for _, b := range append(bad, warned...) {
		lines = append(lines, b.line)
	}
	h.Restart(lines...)
	ops := h.Dial()
	found, err := ops.Problems(patiently(t), h.PID(), 5)
	must(t, err)
	for _, b := range bad {
		t.Run(b.line, func(t *testing.T) { named(t, found.Refuse, b.fix) })
	}
	for _, b := range warned {
		t.Run(b.line, func(t *testing.T) { named(t, found.Warn, b.fix) })
	}
	if len(found.Refuse) != len(bad) || len(found.Warn) != len(warned) {
		t.Errorf("refuse %q, warn %q; want %d and %d", found.Refuse, found.Warn, len(bad), len(warned))
	}
}

func named(t *testing.T, sentences []string, fix string) {
	t.Helper()
	for _, s := range sentences {
		if strings.HasSuffix(s, fix) {
			return
		}
	}
	t.Errorf("no sentence ends in %q: %q", fix, sentences)
}

// What runs now may be right by hand while the file is wrong, and the other way
// round; both are said.
func TestProblemsTellTheFileFromWhatRuns(t *testing.T) {
	h := start(t, "gtid-strict-mode=0")
	h.Exec("SET GLOBAL gtid_strict_mode=1", "SET GLOBAL sync_binlog=0", "SET GLOBAL read_only=0")
	found, err := h.ops.Problems(patiently(t), h.PID(), 5)
	must(t, err)
	if len(found.Refuse) != 2 || len(found.Warn) != 0 {
		t.Fatalf("refuse %q, warn %q; want two and none", found.Refuse, found.Warn)
	}
	named(t, found.Refuse, "gtid_strict_mode = 1")
	if !strings.Contains(found.Refuse[1], "sync_binlog is 0 in the running server") {
		t.Errorf("%q does not speak of the running server", found.Refuse[1])
	}
}
