package dbops_test

import (
	"context"
	"database/sql"
	"testing"
	"time"
)

// session is a connection of a client, in a transaction of its own.
func (h host) session(t *testing.T) *sql.Conn {
	t.Helper()
	conn, err := h.Root().Conn(t.Context())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func run(t *testing.T, conn *sql.Conn, text string) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	ctx := t.Context()
	go func() {
		_, err := conn.ExecContext(ctx, text)
		done <- err
	}()
	return done
}

// awaits waits until so many sessions are in a state of the server's list.
func (h host) awaits(t *testing.T, what, query, want string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for h.Query(query) != want {
		if time.Now().After(deadline) {
			t.Fatalf("never seen: %s; last: %s", what, h.Query("SELECT GROUP_CONCAT(COMMAND, ' ', IFNULL(STATE, ''), ' ', IFNULL(INFO, '') SEPARATOR ' | ') FROM information_schema.PROCESSLIST"))
		}
		time.Sleep(time.Millisecond)
	}
}

// One client has locked a row and goes on; another waits for that row; and
// read_only waits until the second one's statement ends, which keeps the first
// from going on. Fact: the server takes this for no deadlock.
func TestReadOnlyIsSetAlthoughTwoClientsWaitForOneAnother(t *testing.T) {
	h := writer(t)
	h.Exec("INSERT INTO app.t VALUES (1, 'a'), (2, 'b')")
	first, second, idle := h.session(t), h.session(t), h.session(t)
	for conn, texts := range map[*sql.Conn][]string{
		first: {"BEGIN", "UPDATE app.t SET b = 'first' WHERE id = 1"},
		idle:  {"BEGIN", "INSERT INTO app.t VALUES (7, 'idle')"},
	} {
		for _, text := range texts {
			must(t, ended(t, run(t, conn, text)))
		}
	}
	blocked := run(t, second, "UPDATE app.t SET b = 'second' WHERE id = 1")
	h.awaits(t, "the second waits for the row", "SELECT COUNT(*) FROM information_schema.INNODB_LOCK_WAITS", "1")

	closed := make(chan error, 1)
	ctx := patiently(t)
	go func(ctx context.Context) { closed <- h.ops.SetReadOnly(ctx) }(ctx)
	h.awaits(t, "read_only waits", "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SET GLOBAL read_only%'", "1")
	goesOn := run(t, first, "UPDATE app.t SET b = 'first' WHERE id = 2")

	must(t, ended(t, closed))
	if !h.observe(t).ReadOnly {
		t.Error("it is writable")
	}
	if err := ended(t, goesOn); err == nil {
		t.Error("the first client's second statement worked")
	}
	must(t, ended(t, blocked)) // it ran already: its own commit came before read_only
	if got := h.Query("SELECT GROUP_CONCAT(b ORDER BY id) FROM app.t"); got != "second,b" {
		t.Errorf("the rows are %s", got)
	}
	if err := ended(t, run(t, idle, "SELECT 1")); err != nil {
		t.Errorf("a client in nobody's way was ended: %v", err)
	}
}
