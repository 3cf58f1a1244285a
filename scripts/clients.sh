#!/usr/bin/env bash
# Unpacks the programs and libraries of other languages that router/clients drives, and
# prints their folders with colons between, as MMM_CLIENTS has them.
set -euo pipefail
unpack=$(dirname "$0")/unpack.sh
libraries=$("$unpack" here python3-pymysql python3-mysqldb libdbi-perl libdbd-mariadb-perl libmariadb-dev)
mysql=$("$unpack" sid mysql-client-core)
mariadb=$("$unpack" sid mariadb-client-core) # newer than this machine's
echo "$libraries:$mysql:$mariadb"
