/* What a program in C does, by libmariadb: bulks, cursors, long data, asynchronous
   calls, commands of the protocol. It prints what it sees. */
#include <mysql.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static MYSQL *connected(void) {
	MYSQL *m = mysql_init(NULL);
	my_bool yes = 1;
	mysql_options(m, MYSQL_OPT_NONBLOCK, 0);
	mysql_options(m, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	mysql_options4(m, MYSQL_OPT_CONNECT_ATTR_ADD, "program", "client.c");
	if (getenv("DB_CA")) {
		mysql_ssl_set(m, NULL, NULL, getenv("DB_CA"), NULL, NULL);
		mysql_options(m, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
	}
	if (!mysql_real_connect(m, "127.0.0.1", getenv("DB_USER"), getenv("DB_PASSWORD"), "seen", atoi(getenv("DB_PORT")), NULL, CLIENT_MULTI_STATEMENTS)) {
		printf("connect: %u %s\n", mysql_errno(m), mysql_error(m));
		exit(1);
	}
	return m;
}

static int reports = 1; /* they count; what a change of user reports is the past of the library, too */

static void state(MYSQL *m, const char *what) {
	const char *data;
	size_t length;
	int kind;
	printf("%s: error %u %s %s, affected %lld, id %lld, warnings %u, status %#x, info %s\n", what, mysql_errno(m), mysql_sqlstate(m), mysql_error(m),
		(long long)mysql_affected_rows(m), (long long)mysql_insert_id(m), mysql_warning_count(m), m->server_status & ~SERVER_SESSION_STATE_CHANGED, mysql_info(m) ? mysql_info(m) : "none");
	for (kind = SESSION_TRACK_BEGIN; reports && kind <= SESSION_TRACK_END; kind++)
		if (!mysql_session_track_get_first(m, kind, &data, &length)) {
			do printf("  tracked %d: %.*s\n", kind, (int)length, data);
			while (!mysql_session_track_get_next(m, kind, &data, &length));
		}
}

static void result(MYSQL *m, MYSQL_RES *r) {
	MYSQL_ROW row;
	MYSQL_FIELD *f;
	unsigned i;
	if (!r) return;
	while ((f = mysql_fetch_field(r))) printf("  column %s.%s %d %lu %u\n", f->table, f->name, f->type, f->length, f->flags);
	while ((row = mysql_fetch_row(r)))
		for (i = 0; i < mysql_num_fields(r); i++)
			printf("  %s", row[i] ? (strlen(row[i]) > 99 ? "a long one" : row[i]) : "NULL"), i + 1 == mysql_num_fields(r) ? puts("") : 0;
	mysql_free_result(r);
}

static void query(MYSQL *m, const char *sql) {
	mysql_query(m, sql);
	do {
		result(m, mysql_store_result(m));
		state(m, sql);
	} while (!mysql_next_result(m));
}

static void said(MYSQL_STMT *s, const char *what, int rc) {
	printf("%s: %d, error %u %s %s, affected %lld, id %lld, fields %u, parameters %lu\n", what, rc, mysql_stmt_errno(s), mysql_stmt_sqlstate(s), mysql_stmt_error(s),
		(long long)mysql_stmt_affected_rows(s), (long long)mysql_stmt_insert_id(s), mysql_stmt_field_count(s), mysql_stmt_param_count(s));
}

static void bulk(MYSQL *m, const char *sql, unsigned n, int first) {
	MYSQL_STMT *s = mysql_stmt_init(m);
	MYSQL_BIND b[2];
	int *ids = calloc(n, sizeof *ids);
	char **texts = calloc(n, sizeof *texts), *how = calloc(n, 1);
	unsigned long *lengths = calloc(n, sizeof *lengths);
	unsigned i;
	for (i = 0; i < n; i++) {
		ids[i] = first + i;
		texts[i] = "a value of a bulk \xe2\x98\x83";
		lengths[i] = i % 22;
		how[i] = i % 5 == 3 ? STMT_INDICATOR_NULL : i % 5 == 4 ? STMT_INDICATOR_DEFAULT : STMT_INDICATOR_NONE;
	}
	memset(b, 0, sizeof b);
	b[0].buffer_type = MYSQL_TYPE_LONG, b[0].buffer = ids;
	b[1].buffer_type = MYSQL_TYPE_STRING, b[1].buffer = texts, b[1].length = lengths, b[1].u.indicator = how;
	said(s, "prepare", mysql_stmt_prepare(s, sql, -1));
	mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &n);
	if (mysql_stmt_param_count(s) == 1) mysql_stmt_bind_param(s, b); else mysql_stmt_bind_param(s, b);
	said(s, sql, mysql_stmt_execute(s));
	state(m, "after it");
	mysql_stmt_close(s);
	free(ids), free(texts), free(how), free(lengths);
}

static void cursor(MYSQL *m) {
	MYSQL_STMT *s = mysql_stmt_init(m);
	unsigned long kind = CURSOR_TYPE_READ_ONLY, rows = 7;
	MYSQL_BIND b;
	int n, sum = 0;
	memset(&b, 0, sizeof b);
	b.buffer_type = MYSQL_TYPE_LONG, b.buffer = &n;
	mysql_stmt_attr_set(s, STMT_ATTR_CURSOR_TYPE, &kind);
	mysql_stmt_attr_set(s, STMT_ATTR_PREFETCH_ROWS, &rows);
	said(s, "prepare", mysql_stmt_prepare(s, "SELECT id FROM t ORDER BY id", -1));
	said(s, "open", mysql_stmt_execute(s));
	mysql_stmt_bind_result(s, &b);
	while (!mysql_stmt_fetch(s)) sum += n;
	printf("sum by a cursor %d\n", sum);
	said(s, "again", mysql_stmt_execute(s));
	mysql_stmt_fetch(s);
	said(s, "reset", mysql_stmt_reset(s));
	mysql_stmt_close(s);
}

static void longData(MYSQL *m) {
	MYSQL_STMT *s = mysql_stmt_init(m);
	MYSQL_BIND b;
	char *piece = malloc(1 << 20);
	int i;
	memset(piece, 'z', 1 << 20), memset(&b, 0, sizeof b);
	b.buffer_type = MYSQL_TYPE_LONG_BLOB;
	mysql_stmt_prepare(s, "INSERT INTO t (id, b) VALUES (5000000, ?)", -1);
	mysql_stmt_bind_param(s, &b);
	for (i = 0; i < 18; i++) mysql_stmt_send_long_data(s, 0, piece, 1 << 20);
	said(s, "18 MiB in pieces", mysql_stmt_execute(s));
	mysql_stmt_close(s), free(piece);
	query(m, "SELECT LENGTH(b), MD5(b) FROM t WHERE id = 5000000");
}

static int wait_for(MYSQL *m, int status) {
	struct pollfd p = {mysql_get_socket(m), (status & MYSQL_WAIT_READ ? POLLIN : 0) | (status & MYSQL_WAIT_WRITE ? POLLOUT : 0), 0};
	poll(&p, 1, 5000);
	return (p.revents & POLLIN ? MYSQL_WAIT_READ : 0) | (p.revents & POLLOUT ? MYSQL_WAIT_WRITE : 0);
}

static void asynchronous(void) {
	MYSQL *m[4];
	int i, rc, status[4];
	for (i = 0; i < 4; i++) {
		m[i] = connected();
		status[i] = mysql_real_query_start(&rc, m[i], "SELECT SLEEP(0.1), 'at once'", 28);
	}
	for (i = 0; i < 4; i++) {
		while (status[i]) status[i] = mysql_real_query_cont(&rc, m[i], wait_for(m[i], status[i]));
		result(m[i], mysql_store_result(m[i]));
		mysql_close(m[i]);
	}
}

int main(void) {
	MYSQL *m = connected();
	printf("version: libmariadb %s\n", mysql_get_client_info());
	query(m, "CREATE OR REPLACE TABLE t (id INT); DROP TABLE IF EXISTS t; CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(30) CHARACTER SET utf8mb4 DEFAULT 'by default', b LONGBLOB)");
	bulk(m, "INSERT INTO t (id, a) VALUES (?, ?)", 1000, 1);
	query(m, "SELECT COUNT(*), SUM(id), COUNT(a), SUM(CRC32(a)) FROM t");
	bulk(m, "INSERT INTO t (id, a) VALUES (?, ?)", 10, 995);
	query(m, "SELECT COUNT(*) FROM t");
	bulk(m, "INSERT INTO t (id, a) VALUES (?, ?) ON DUPLICATE KEY UPDATE a = VALUES(a)", 20, 990);
	query(m, "BEGIN");
	bulk(m, "DELETE FROM t WHERE id = ?", 500, 1);
	query(m, "ROLLBACK; SELECT COUNT(*), SUM(CRC32(a)) FROM t");
	bulk(m, "INSERT INTO t (id, a) VALUES (?, ?)", 60000, 10000);
	query(m, "SELECT COUNT(*), SUM(id) FROM t");
	query(m, "DELETE FROM t WHERE id > 1000");
	bulk(m, "SELECT a FROM t WHERE id = ?", 3, 1);
	bulk(m, "INSERT INTO nowhere VALUES (?, ?)", 3, 1);
	mysql_query(m, "SET SESSION session_track_schema = 1, session_track_state_change = 1, session_track_transaction_info = 'CHARACTERISTICS'");
	mysql_query(m, "SET SESSION session_track_system_variables = 'sql_mode'");
	query(m, "SET sql_mode = 'ANSI_QUOTES'; BEGIN; COMMIT; USE information_schema; USE seen; SET @a = 1");
	cursor(m);
	longData(m);
	asynchronous();
	printf("ping %d, select_db %d\n", mysql_ping(m), mysql_select_db(m, "seen"));
	result(m, mysql_list_fields(m, "t", "%"));
	printf("no multi %d\n", mysql_set_server_option(m, MYSQL_OPTION_MULTI_STATEMENTS_OFF)), query(m, "SELECT 1; SELECT 2");
	printf("multi %d\n", mysql_set_server_option(m, MYSQL_OPTION_MULTI_STATEMENTS_ON)), query(m, "SELECT 1; SELECT 2");
	reports = 0;
	query(m, "SET @x = 1"), printf("reset %d\n", mysql_reset_connection(m)), query(m, "SELECT @x, @@sql_mode");
	printf("change %d\n", mysql_change_user(m, getenv("DB_USER"), getenv("DB_PASSWORD"), "information_schema")), query(m, "SELECT DATABASE(), @x");
	printf("change %d\n", mysql_change_user(m, "nobody", "wrong", "seen")), printf("%u %s\n", mysql_errno(m), mysql_error(m));
	mysql_close(m);
	puts("the end");
	return 0;
}
