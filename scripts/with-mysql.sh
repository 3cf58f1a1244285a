#!/usr/bin/env bash
# Runs a command beside a MySQL server that is made for it and gone with it, even if
# this script is killed. MMM_MYSQL is its address on loopback; root has no password.
#
#   scripts/with-mysql.sh go test ./router/wire ./router/auth ./router/session
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: $0 command..." >&2 && exit 2; }
here=$(dirname "$0")
server=$("$here/unpack.sh" sid mysql-server-core)
data=${MMM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mmm}/mysql # one at a time, so that a killed one leaves one
exec 9>"$data.lock" && flock 9
rm -rf "$data" && mkdir -m 700 "$data"
trap 'rm -rf "$data"' EXIT

# The kernel kills the server when this script ends, however it does.
mysqld() {
	exec setpriv --pdeathsig KILL "$server/run" usr/sbin/mysqld --no-defaults --user="$(id -un)" --basedir="$server/usr" \
		--datadir="$data/data" --socket="$data/socket" --pid-file="$data/pid" --bind-address=127.0.0.1 --mysqlx=OFF \
		--server-id=1 --gtid-mode=ON --enforce-gtid-consistency=ON --sync-binlog=0 --local-infile=1 --max-allowed-packet=64M --secure-file-priv= \
		--innodb-buffer-pool-size=64M --innodb-redo-log-capacity=16M --innodb-flush-log-at-trx-commit=0 "$@" >>"$data/log" 2>&1
}
tell() { sed 's/^/mysqld: /' "$data/log" >&2; }

cat >"$data/accounts.sql" <<'END'
CREATE USER root@'127.0.0.1';
GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;
END
(mysqld --initialize-insecure --init-file="$data/accounts.sql") || { tell && exit 1; }

# A port that is taken ends the server; then another is tried.
for try in 1 2 3 4 5; do
	port=$((20000 + RANDOM % 10000))
	: >"$data/log"
	mysqld --port="$port" &
	pid=$!
	for ((tick = 0; tick < 600; tick++)); do
		grep -q 'ready for connections' "$data/log" && break 2
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	[ "$try" -lt 5 ] || { tell && exit 1; }
done
status=0
MMM_MYSQL=127.0.0.1:$port "$@" 9>&- || status=$?
kill -9 "$pid"
wait "$pid" 2>/dev/null || true
exit "$status"
