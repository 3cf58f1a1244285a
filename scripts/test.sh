#!/usr/bin/env bash
# Run every test. Packages with concurrency of their own run under the race
# detector; packages run one after the other, for many start servers and two cores
# do not stand more.
set -euo pipefail
cd "$(dirname "$0")/.."
export MMM_REQUIRE="${MMM_REQUIRE-netns,mariadb,etcd,ed25519,mysql,clients}"
export MMM_BIN="$PWD/bin"
if [[ ,$MMM_REQUIRE, == *,ed25519,* ]]; then
	export MMM_PLUGINS="${MMM_PLUGINS-$(scripts/unpack.sh here mariadb-server)/usr/lib/mysql/plugin}"
fi
if [[ ,$MMM_REQUIRE, == *,clients,* ]]; then
	export MMM_CLIENTS="${MMM_CLIENTS-$(scripts/clients.sh)}"
fi
beside=()
if [[ ,$MMM_REQUIRE, == *,mysql,* && -z ${MMM_MYSQL-} ]]; then
	beside=(scripts/with-mysql.sh)
fi

race=(./election ./internal/store ./internal/fence ./vip ./agent ./internal/process ./router ./router/tally ./cmd/mmmrouter)
mapfile -t rest < <(go list ./... | grep -vE '/(election|internal/store|internal/store/storetest|internal/fence|vip|agent|internal/process|router|router/tally|router/wire|router/auth|router/session|cmd/mmmrouter)$')

go test -race -p 1 -timeout 8m "${race[@]}"
"${beside[@]}" go test -p 1 -timeout 8m ./router/wire ./router/auth ./router/session
go test -p 1 -timeout 15m "${rest[@]}"
