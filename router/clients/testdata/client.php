<?php // What a program in PHP does, by mysqli and PDO; it prints what it sees.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
$port = (int) getenv("DB_PORT"); $user = getenv("DB_USER"); $password = getenv("DB_PASSWORD"); $ca = getenv("DB_CA");
function say(...$what) { echo implode(" ", array_map(fn($w) => is_string($w) ? (strlen($w) > 100 ? strlen($w) . " bytes " . md5($w) : $w) : json_encode($w, JSON_UNESCAPED_UNICODE | JSON_PARTIAL_OUTPUT_ON_ERROR), $what)), "\n"; }
function fails($what, $do) { try { $do(); say($what, "did not fail"); } catch (mysqli_sql_exception $e) { say($what, $e->getCode(), $e->getSqlState(), $e->getMessage()); } catch (PDOException $e) { say($what, $e->errorInfo, $e->getMessage()); } }
function connected($schema = "seen", $secret = null) {
    global $port, $user, $password, $ca;
    $m = mysqli_init();
    $m->options(MYSQLI_OPT_LOCAL_INFILE, 1);
    if ($ca) $m->ssl_set(null, null, $ca, null, null);
    $m->real_connect("127.0.0.1", $user, $secret ?? $password, $schema, $port, null, $ca ? MYSQLI_CLIENT_SSL : 0);
    $m->set_charset("utf8mb4");
    return $m;
}
say("version: PHP " . PHP_VERSION . ", " . mysqli_get_client_info());
$m = connected();
$m->query("DROP TABLE IF EXISTS t"); $m->query("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(50), b LONGBLOB, d DOUBLE, j JSON)");
$s = $m->prepare("INSERT INTO t (a, b, d) VALUES (?, ?, ?)"); $a = "zwölf ☃"; $b = null; $d = 1.25;
$s->bind_param("sbd", $a, $b, $d);
for ($i = 0; $i < 3; $i++) { $s->send_long_data(1, str_repeat("\0\xff", 1000)); $s->send_long_data(1, "the end $i"); $s->execute(); say("inserted", $s->insert_id, $s->affected_rows, $m->insert_id); }
for ($i = 0; $i < 18; $i++) $s->send_long_data(1, str_repeat(chr(65 + $i), 1 << 20));
$a = "big"; $s->execute(); $s->close();
$s = $m->prepare("SELECT id, a, b, d FROM t WHERE id >= ?"); $low = 2; $s->bind_param("i", $low); $s->execute();
foreach ($s->get_result() as $row) say(...array_values($row));
$s->execute(); $s->store_result(); say("stored", $s->num_rows, $s->field_count); $s->bind_result($r1, $r2, $r3, $r4); while ($s->fetch()) say($r1, $r2, strlen($r3)); $s->free_result();
$c = $m->prepare("SELECT seq, REPEAT('r', 100) FROM seq_1_to_500"); $c->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY); $c->execute(); $c->bind_result($n, $r); $sum = 0; while ($c->fetch()) $sum += $n; say("by cursor", $sum); $c->close();
$m->begin_transaction(MYSQLI_TRANS_START_READ_ONLY); say($m->query("SELECT COUNT(*) FROM t")->fetch_row()); $m->commit();
$m->begin_transaction(); $m->query("DELETE FROM t WHERE id = 1"); $m->savepoint("s"); $m->rollback(); say($m->query("SELECT COUNT(*) FROM t")->fetch_row());
$m->autocommit(false); $m->query("UPDATE t SET d = 2"); say($m->info, $m->affected_rows, $m->warning_count); $m->commit(); $m->autocommit(true);
fails("duplicate", fn() => $m->query("INSERT INTO t (id) VALUES (1)")); fails("syntax", fn() => $m->query("SELEC 1")); fails("no table", fn() => $m->prepare("SELECT * FROM nowhere"));
fails("no schema", fn() => $m->select_db("nowhere")); fails("wrong password", fn() => connected("seen", "wrong")); fails("schema at login", fn() => connected("nowhere"));
$m->multi_query("SELECT 1; SELECT 'two', 3; UPDATE t SET d = 3; SELECT * FROM nowhere; SELECT 5");
try { do { if ($r = $m->store_result()) say("of many", $r->fetch_all()); else say("of many", $m->affected_rows); } while ($m->more_results() && $m->next_result()); } catch (mysqli_sql_exception $e) { say("of many", $e->getCode(), $e->getMessage()); }
$m->query("DROP PROCEDURE IF EXISTS two"); $m->query("CREATE PROCEDURE two(OUT n INT) BEGIN SET n = 5; SELECT n; SELECT 'more'; END");
$m->multi_query("CALL two(@n)"); do { if ($r = $m->store_result()) say("called", $r->fetch_all()); } while ($m->more_results() && $m->next_result()); say($m->query("SELECT @n")->fetch_row());
$m->query("SELECT CAST('12x' AS INT)"); for ($w = $m->get_warnings(); $w; $w = $w->next() ? $w : null) say("warning", $w->errno, $w->message);
$m->query("SELECT SLEEP(0.1), 'later'", MYSQLI_ASYNC); do { $l = $e = $j = [$m]; } while (!mysqli_poll($l, $e, $j, 1)); say("asynchronous", $m->reap_async_query()->fetch_row());
$r = $m->query("SELECT seq FROM seq_1_to_2000", MYSQLI_USE_RESULT); $sum = 0; while ($row = $r->fetch_row()) $sum += $row[0]; $r->free(); say("unbuffered", $sum);
file_put_contents($f = tempnam(sys_get_temp_dir(), "mmm"), "100,from a file\n101,☃\n"); $m->query("LOAD DATA LOCAL INFILE '$f' INTO TABLE t FIELDS TERMINATED BY ',' (id, a)"); say($m->info); unlink($f);
$m->query("SET @x = 1, time_zone = '+01:00'"); $m->change_user($user, $password, "seen"); say($m->query("SELECT @x, @@time_zone, DATABASE()")->fetch_row()); $m->ping(); say($m->stat() !== "", $m->character_set_name(), $m->server_info);
$v = connected(); $id = $v->thread_id; $m->kill($id); try { $v->query("SELECT 1"); say("not killed"); } catch (mysqli_sql_exception $e) { say("killed"); } @$v->close();
foreach ([true, false] as $emulated) {
    $o = [PDO::ATTR_EMULATE_PREPARES => $emulated, PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_STRINGIFY_FETCHES => false] + ($ca ? [PDO::MYSQL_ATTR_SSL_CA => $ca] : []);
    $p = new PDO("mysql:host=127.0.0.1;port=$port;dbname=seen;charset=utf8mb4", $user, $password, $o);
    say("PDO", $p->getAttribute(PDO::ATTR_CLIENT_VERSION), $p->getAttribute(PDO::ATTR_SERVER_VERSION), $emulated);
    $s = $p->prepare("INSERT INTO t (a, d) VALUES (:a, :d)"); foreach (["x", "ü☃"] as $a) { $s->execute([":a" => $a, ":d" => 0.5]); say($p->lastInsertId(), $s->rowCount()); }
    $s = $p->prepare("SELECT id, a, d FROM t WHERE a = ?"); $s->execute(["ü☃"]); foreach ($s->fetchAll(PDO::FETCH_ASSOC) as $row) say($row);
    $p->beginTransaction(); $p->exec("DELETE FROM t"); $p->rollBack(); say($p->query("SELECT COUNT(*) FROM t")->fetchColumn());
    fails("duplicate", fn() => $p->exec("INSERT INTO t (id) VALUES (1)")); fails("no table", fn() => $p->query("SELECT * FROM nowhere"));
    $p->setAttribute(PDO::MYSQL_ATTR_USE_BUFFERED_QUERY, false); $s = $p->query("SELECT seq FROM seq_1_to_1000"); $sum = 0; while (($n = $s->fetchColumn()) !== false) $sum += $n; say($sum); $s->closeCursor();
    $s = $p->query("CALL two(@z)"); do { say("called", $s->fetchAll(PDO::FETCH_NUM)); } while ($s->nextRowset() && $s->columnCount());
    $s = null;
}
say("the end");
