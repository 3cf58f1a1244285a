# What a program in Perl does, by DBI and DBD::MariaDB; it prints what it sees.
use strict; use warnings; use utf8; use DBI; use Encode;
binmode STDOUT, ":utf8";
$| = 0;
my $tls = $ENV{DB_CA} ? ";mariadb_ssl=1;mariadb_ssl_ca_file=$ENV{DB_CA};mariadb_ssl_verify_server_cert=1" : "";
sub connected { DBI->connect("DBI:MariaDB:database=seen;host=127.0.0.1;port=$ENV{DB_PORT}$tls" . ($_[0] // ""), $ENV{DB_USER}, $ENV{DB_PASSWORD}, {RaiseError => 1, PrintError => 0, AutoCommit => 1}) }
sub fails { my ($what, $do) = @_; eval { $do->(); 1 } and print "$what did not fail\n"; print "$what: ", $DBI::err // "", " ", $DBI::state // "", " ", $DBI::errstr // "", "\n" }
sub shown { join ", ", map { !defined $_ ? "NULL" : length $_ > 80 ? length($_) . " bytes" : $_ } @_ }
sub rows { my ($dbh, $sql, @a) = @_; my $s = $dbh->prepare($sql); my $n = $s->execute(@a); print "$sql: $n, @{$s->{NAME}}\n"; while (my @r = $s->fetchrow_array) { print "  ", shown(@r), "\n" } }

for my $server_side (0, 1) {
    my $dbh = connected(";mariadb_server_prepare=$server_side");
    print "version: DBD::MariaDB $DBD::MariaDB::VERSION, prepared by the server: $server_side\n";
    $dbh->do("DROP TABLE IF EXISTS t");
    $dbh->do("CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(50) CHARACTER SET utf8mb4, b LONGBLOB, d DECIMAL(10,2))");
    my $ins = $dbh->prepare("INSERT INTO t (a, b, d) VALUES (?, ?, ?)");
    for my $i (1 .. 5) {
        $ins->bind_param(1, "zwölf ☃ $i"); $ins->bind_param(2, chr(0) x $i . "\xff", DBI::SQL_BLOB); $ins->bind_param(3, $i / 4);
        $ins->execute; print "inserted ", $dbh->last_insert_id(undef, undef, "t", "id"), " ", $ins->rows, "\n";
    }
    rows($dbh, "SELECT id, a, HEX(b), d FROM t WHERE id > ? ORDER BY id", 2);
    $ins->bind_param(1, "big"); $ins->bind_param(2, "\x00'\\" x 5_800_000, DBI::SQL_BLOB); $ins->bind_param(3, undef); $ins->execute if $server_side;
    rows($dbh, "SELECT LENGTH(b), MD5(b), b FROM t WHERE a = 'big'");
    $dbh->begin_work; $dbh->do("DELETE FROM t"); rows($dbh, "SELECT COUNT(*) FROM t"); $dbh->rollback;
    $dbh->{AutoCommit} = 0; print $dbh->do("UPDATE t SET d = d + 1 WHERE id < ?", undef, 4), "\n"; $dbh->commit; $dbh->{AutoCommit} = 1;
    fails("duplicate", sub { $dbh->do("INSERT INTO t (id) VALUES (1)") });
    fails("syntax", sub { $dbh->do("SELEC 1") });
    fails("no table", sub { $dbh->prepare("SELECT * FROM nowhere")->execute });
    fails("too long", sub { $dbh->do("INSERT INTO t (a) VALUES (?)", undef, "x" x 60) });
    $dbh->do("DROP PROCEDURE IF EXISTS two"); $dbh->do("CREATE PROCEDURE two(IN n INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; END");
    my $call = $dbh->prepare("CALL two(?)"); $call->execute(7);
    do { print "result ", $call->{NUM_OF_FIELDS} ? join(",", @{$call->{NAME}}) . ": " . join(" | ", map { shown(@$_) } @{$call->fetchall_arrayref}) : "without rows", "\n" } while eval { $call->more_results };
    $dbh->do("SET \@x = 3, time_zone = '+02:00'"); rows($dbh, "SELECT \@x, \@\@time_zone, FROM_UNIXTIME(0)");
    my $use = $dbh->prepare("SELECT seq FROM seq_1_to_3000"); $use->execute; my $sum = 0; while (my ($n) = $use->fetchrow_array) { $sum += $n } print "sum $sum\n";
    $dbh->do("SELECT CAST('12x' AS INT)"); print "warnings $dbh->{mariadb_warning_count}\n"; rows($dbh, "SHOW WARNINGS");
    print "ping ", $dbh->ping ? 1 : 0, "\n";
    $dbh->do("USE information_schema"); rows($dbh, "SELECT DATABASE()");
    $dbh->disconnect;
}
{
    my $dbh = connected(";mariadb_multi_statements=1");
    my $s = $dbh->prepare("SELECT 1 AS one; SELECT 2 AS two, 3 AS three"); $s->execute;
    do { print "of many @{$s->{NAME}}: ", shown($s->fetchrow_array), "\n" } while $s->more_results;
    my $a = $dbh->prepare("SELECT SLEEP(0.2), 'later'", {mariadb_async => 1}); $a->execute; print "asynchronous: ", shown($a->mariadb_async_result && $a->fetchrow_array), "\n";
    my $other = connected(";mariadb_auto_reconnect=0"); my $victim = connected();
    $other->do("KILL " . $victim->{mariadb_thread_id}); eval { $victim->do("SELECT 1"); 1 } and print "not killed\n"; print "killed\n";
    fails("wrong password", sub { DBI->connect("DBI:MariaDB:host=127.0.0.1;port=$ENV{DB_PORT}$tls", $ENV{DB_USER}, "wrong", {RaiseError => 1, PrintError => 0}) });
}
print "the end\n";
