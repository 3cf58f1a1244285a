#!/usr/bin/env bash
# Run every test. Packages with concurrency of their own run under the race
# detector; those that start servers run one after the other, two cores do not
# stand more, but for the scenarios: those mostly wait, so that two beds run side
# by side, and what only computes gets the time that they leave.
set -euo pipefail
cd "$(dirname "$0")/.."
export MMM_REQUIRE="${MMM_REQUIRE-netns,mariadb,etcd}"
export MMM_BIN="$PWD/bin"

race=(./election ./internal/store ./internal/fence ./vip ./agent ./internal/process ./router ./router/tally ./cmd/mmmrouter)
mapfile -t pure < <(go list ./topology/... ./chaos/model/... ./chaos/sim ./chaos/check ./chaos/mutants)
mapfile -t rest < <(go list ./... | grep -vE '/(election|internal/store|internal/store/storetest|internal/fence|vip|agent|internal/process|router|router/tally|cmd/mmmrouter|chaos/live)$' |
	grep -vxF "$(printf '%s\n' "${pure[@]}")")
mapfile -t live < <(go test ./chaos/live -list . | grep ^Test)
[ ${#live[@]} -gt 1 ] || { echo "chaos/live lists no tests" && exit 1; }

# aside NAME COMMAND... runs a command beside the others and keeps what it says.
said=$(mktemp -d)
trap 'rm -rf "$said"' EXIT
pids=()
aside() {
	"${@:2}" >"$said/$1" 2>&1 &
	pids+=($!)
}
scenarios() { go test ./chaos/live -timeout 15m -run "^($(IFS='|'; echo "$*"))\$"; }

go test -race -p 1 -timeout 8m "${race[@]}"
go test -p 1 -timeout 15m "${rest[@]}"
half=$((${#live[@]} / 2))
aside 1 scenarios "${live[@]:0:half}"
aside 2 scenarios "${live[@]:half}"
aside 3 chrt --idle 0 go test -p 1 -timeout 15m "${pure[@]}"
bad=0
for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
cat "$said"/*
exit $bad
