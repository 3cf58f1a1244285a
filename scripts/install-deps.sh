#!/usr/bin/env bash
# Installs the Debian packages that the test bed needs; only those that are missing.
#
#   scripts/install-deps.sh            what the bed needs
#   scripts/install-deps.sh --tests    also what tests need, as far as MMM_REQUIRE names it: a
#                                      plugin of MariaDB, a MySQL server and libraries of clients,
#                                      unpacked, not installed; sysbench and PHP are installed
#   scripts/install-deps.sh --bench    also keepalived, haproxy and perf, for comparisons
#
# None of them brings a service that should run here; should a dependency bring
# one, it is kept from starting, so no port is taken and nothing is left running.
set -euo pipefail

packages=(mariadb-server-core mariadb-client-core mariadb-client iproute2 nftables iputils-arping etcd-client procps util-linux mariadb-backup)
unpack=()
case "${1-}" in
"") ;;
--tests)
	packages+=(e2fsprogs systemd)
	require=,${MMM_REQUIRE-ed25519,mysql,clients},
	[[ $require != *,ed25519,* ]] || unpack+=("here mariadb-server") # installed, it would bring a service
	[[ $require != *,mysql,* ]] || unpack+=("sid mysql-server-core")
	[[ $require != *,clients,* ]] || packages+=(python3 perl php-cli php-mysql sysbench gcc libc6-dev)
	;;
--bench) packages+=(keepalived haproxy linux-perf) ;;
*) echo "usage: $0 [--tests|--bench]" >&2 && exit 2 ;;
esac

missing=()
for p in "${packages[@]}"; do
	state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null || true)
	[ "$state" = "ii " ] || missing+=("$p")
done
unpack() {
	local one folder
	for one in "${unpack[@]}"; do
		# shellcheck disable=SC2086 # two words
		folder=$("$(dirname "$0")/unpack.sh" $one)
		echo "unpacked: $folder"
	done
	[[ ${require-} != *,clients,* ]] || echo "unpacked: $("$(dirname "$0")/clients.sh")"
}
if [ ${#missing[@]} -eq 0 ]; then
	echo "nothing to install"
	unpack
	exit 0
fi

if ! command -v apt-get >/dev/null; then
	echo "this is no Debian; install the equivalents of: ${missing[*]}" >&2
	exit 1
fi
root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "not root and no sudo here; as root run: apt-get install --no-install-recommends ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo)
fi

# policy-rc.d is Debian's way to forbid starts of services. Whoever has one keeps it.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '"${root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
	"${root[@]}" chmod 755 "$policy"
fi

echo "installing: ${missing[*]}"
"${root[@]}" apt-get update -q
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
unpack
