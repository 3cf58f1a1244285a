#!/usr/bin/env bash
# What must be true of every commit: formatted, vetted, linted, tidy.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=$(gofmt -l $(git ls-files '*.go'))
if [ -n "$bad" ]; then
	echo "gofmt would change:" && echo "$bad" && exit 1
fi
echo "vet" && go vet ./...
echo "lint" && go tool -modfile=internal/tools/go.mod golangci-lint run ./...
echo "tidy" && go mod tidy -diff
echo "checks passed"
