# What a program in Python does, by pymysql or MySQLdb; it prints what it sees.
import hashlib
import os
import sys
import warnings

name = sys.argv[1]
if name == "pymysql":
    import pymysql as db
    from pymysql import cursors
else:
    import MySQLdb as db
    from MySQLdb import cursors

where = dict(host="127.0.0.1", port=int(os.environ["DB_PORT"]), user=os.environ["DB_USER"], charset="utf8mb4")
secret = os.environ["DB_PASSWORD"]
where["password" if name == "pymysql" else "passwd"] = secret
if os.environ.get("DB_CA"):
    where["ssl"] = {"ca": os.environ["DB_CA"]}


def connect(**more):
    return db.connect(**{**where, **more})


def say(*what):
    print(*what)


def fails(what, do):
    try:
        do()
        say(what, "did not fail")
    except db.Error as e:
        say(what, "failed:", type(e).__name__, e.args)


def ends(what, do):
    """An error that ends the connection: whether its reason is still read is a matter of chance."""
    try:
        do()
    except db.Error as e:
        say(what, type(e).__name__)


def rows(c, sql, args=None):
    affected = c.execute(sql, args)
    say(sql[:60], "->", affected, [d[:7] for d in c.description or []])
    for row in c.fetchall():
        say("  ", row)


def shown(value):
    return hashlib.sha256(value).hexdigest(), len(value)


say("version: %s %s, Python %s" % (name, db.__version__, sys.version.split()[0]))
conn = connect()
c = conn.cursor()
c.execute("DROP DATABASE seen")
c.execute("CREATE DATABASE seen CHARACTER SET utf8mb4")
conn.select_db("seen")
rows(c, "SELECT DATABASE()")
c.execute("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(50), b LONGBLOB, d DECIMAL(20,6), f DOUBLE, at DATETIME(3), y YEAR, tm TIME, bits BIT(9), s SET('x','y'), u BIGINT UNSIGNED)")

# parameters, types, unicode
c.execute("INSERT INTO t (a, d, f, at, y, tm, bits, s, u) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
          ("zwölf ☃ 𝄞 '\"\\%", "12345678901234.567891", 1e-300, "2024-02-29 23:59:59.999", 2024, "-12:34:56", b"\x01\xff", "x,y", 2**64 - 1))
say("insert", c.lastrowid, c.rowcount, conn.insert_id())
conn.commit()
rows(c, "SELECT * FROM t")
say(c.executemany("INSERT INTO t (a) VALUES (%s)", [("many %d" % i,) for i in range(200)]), c.lastrowid)
conn.commit()
rows(c, "SELECT COUNT(*), MIN(id), MAX(id) FROM t WHERE a LIKE %s", ("many%",))

# transactions: by default a connection of Python is not in autocommit
c.execute("DELETE FROM t WHERE a LIKE 'many%'")
conn.rollback()
rows(c, "SELECT COUNT(*) FROM t")
conn.begin()
c.execute("UPDATE t SET a = 'x' WHERE id = 2")
conn.commit()
conn.autocommit(True)
say("autocommit", conn.get_autocommit())
rows(c, "SELECT a FROM t WHERE id = 2")
rows(c, "SELECT id FROM t WHERE id = 3 FOR UPDATE")

# errors, with their numbers and classes
fails("no table", lambda: c.execute("SELECT * FROM nowhere"))
fails("syntax", lambda: c.execute("SELEC 1"))
fails("duplicate", lambda: c.execute("INSERT INTO t (id) VALUES (1)"))
fails("too long", lambda: c.execute("INSERT INTO t (a) VALUES (%s)", ("x" * 60,)))
fails("no schema", lambda: conn.select_db("nowhere"))
fails("no right", lambda: c.execute("CREATE DATABASE other"))
fails("division", lambda: c.execute("SET STATEMENT sql_mode='ERROR_FOR_DIVISION_BY_ZERO,STRICT_ALL_TABLES' FOR INSERT INTO t (f) VALUES (1/0)"))
fails("signal", lambda: c.execute("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '☃', MYSQL_ERRNO = 4711"))
fails("wrong password", lambda: connect(**{"password" if name == "pymysql" else "passwd": "wrong"}))
fails("nobody", lambda: connect(user="nobody"))
fails("no such schema at login", lambda: connect(**{"database" if name == "pymysql" else "db": "nowhere"}))

# several results, procedures with parameters
c.execute("CREATE PROCEDURE both_(IN n INT, INOUT m INT) BEGIN SELECT n; SELECT id, a FROM t LIMIT 3; SET m = m + n; END")
say(c.callproc("both_", (5, 6)))
while True:
    say("result", c.description and [d[0] for d in c.description], c.fetchall())
    if not c.nextset():
        break
rows(c, "SELECT @_both__0, @_both__1")
flag = 65536  # CLIENT.MULTI_STATEMENTS
multi = connect(client_flag=flag, **{"database" if name == "pymysql" else "db": "seen"})
m = multi.cursor()
m.execute("SELECT 1; INSERT INTO t (a) VALUES ('in many'); SELECT LAST_INSERT_ID(), COUNT(*) FROM t; UPDATE nowhere SET a = 1; SELECT 2")
try:
    while True:
        say("of many", m.rowcount, m.fetchall())
        if not m.nextset():
            break
except db.Error as e:
    say("of many", e.args)
multi.close()

# big ones: parameters and results of more than one packet of 16 MiB
blob = bytes(range(256)) * (70000)  # 17.9 MB
c.execute("INSERT INTO t (a, b) VALUES ('big', _binary %s)", (blob,))
c.execute("SELECT b, LENGTH(b), MD5(b) FROM t WHERE a = 'big'")
(b, n, digest), = c.fetchall()
say("big", shown(b), n, digest, b == blob)
exact = b"x" * ((1 << 24) - 1)
for k in (-1, 0, 1):
    c.execute("SELECT REPEAT('x', %s)", (len(exact) - 5 + k,))
    say("near a packet", len(c.fetchone()[0]))
ends("too big", lambda: c.execute("SELECT LENGTH(%s)", (b"y" * (25 << 20),)))
conn.close() if conn.open else None
conn = connect(**{"database" if name == "pymysql" else "db": "seen"}, autocommit=True)
c = conn.cursor()

# rows that are fetched as they come
s = conn.cursor(cursors.SSCursor)
s.execute("SELECT seq, REPEAT('r', 1000) FROM seq_1_to_3000")
say("first", s.fetchone()[0], [r[0] for r in s.fetchmany(3)])
say("sum of the rest", sum(r[0] for r in s))
s.close()
s = conn.cursor(cursors.SSCursor)
s.execute("SELECT seq FROM seq_1_to_9000")
s.fetchone()
s.close()  # the rest is thrown away
rows(c, "SELECT 'after a cursor that was left'")
d = conn.cursor(cursors.DictCursor)
d.execute("SELECT id, a FROM t WHERE id < 3")
say(d.fetchall())

# warnings, the state of the session, other schemas, another user
with warnings.catch_warnings(record=True) as w:
    warnings.simplefilter("always")
    c.execute("SELECT CAST('12x' AS INT), 1/0")
    say([str(x.message) for x in w], conn.show_warnings())
c.execute("SET @x = 5, time_zone = '+03:00', sql_mode = 'ANSI_QUOTES'")
rows(c, "SELECT @x, @@time_zone, @@sql_mode, \"a\" FROM t LIMIT 1")
c.execute("CREATE TEMPORARY TABLE tmp (a INT)")
c.execute("INSERT INTO tmp VALUES (1), (2)")
rows(c, "SELECT SUM(a) FROM tmp")
say("ping", conn.ping())
conn.select_db("information_schema")
rows(c, "SELECT TABLE_NAME FROM TABLES WHERE TABLE_SCHEMA = 'seen' ORDER BY 1")
say(conn.character_set_name(), conn.get_server_info(), conn.get_proto_info())

# a connection that is killed, and what comes then
other = connect(autocommit=True)
o = other.cursor()
fails("kill", lambda: o.execute("KILL %d" % conn.thread_id()))
ends("killed", lambda: c.execute("SELECT 1"))
if name == "pymysql":
    conn.ping(reconnect=True)
    rows(conn.cursor(), "SELECT 'again', @x, @@time_zone")
other.close()
say("open", other.open)
say("the end")
