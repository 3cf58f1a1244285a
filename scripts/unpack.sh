#!/usr/bin/env bash
# Unpacks Debian packages into a folder of their own. Nothing is installed, no script
# of a package runs and no service is there to start; the machine stays as it is.
#
#   scripts/unpack.sh here PACKAGE...   of this machine's release, for its own programs
#   scripts/unpack.sh sid PACKAGE...    of sid, with all that they need, the C library too
#
# It prints the folder, which is made once and kept under MMM_CACHE (~/.cache/mmm).
# FOLDER/run PROGRAM... runs a program of sid, named by its path in the folder, on the
# libraries beside it. It needs no root.
set -euo pipefail
[ $# -ge 2 ] && [[ $1 == here || $1 == sid ]] || { echo "usage: $0 here|sid package..." >&2 && exit 2; }
from=$1 && shift
. /etc/os-release
release=${VERSION_CODENAME-}
cache=${MMM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mmm}
folder=$cache/${from/here/$release}-$(IFS=+ && echo "$*")
if [ -d "$folder" ]; then # it got its name when it was whole
	echo "$folder"
	exit 0
fi
command -v apt-get >/dev/null || { echo "this is no Debian: $* cannot be unpacked" >&2 && exit 1; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/unpacking.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,etc/apt.conf.d,etc/preferences.d,etc/sources.list.d} "$work/new"

# A state of apt's own, in which nothing is installed. Its sources are the machine's,
# or sid from where the machine's release comes from.
: >"$work/apt/status"
apt() {
	(cd "$work/apt/cache/archives" && apt-get -qq -o "Dir::State=$work/apt" -o "Dir::State::status=$work/apt/status" \
		-o "Dir::Cache=$work/apt/cache" -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=true \
		-o APT::Install-Recommends=false -o Acquire::Languages=none -o Acquire::Retries=3 "$@")
}
of_debian() {
	awk -v release="$release" -v from="$from" '
		$3 != "main" || index($2, release) != 1 || from == "sid" && $2 != release { next }
		{ print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $1, (from == "sid" ? "sid" : $2), "main" }' | sort -u
}
targets=(indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages')
apt-get "${targets[@]}" | of_debian >"$work/apt/sources.list"
if [ ! -s "$work/apt/sources.list" ]; then # apt says nothing of sources that it has not yet read
	apt update >&2
	apt "${targets[@]}" | of_debian >"$work/apt/sources.list"
	rm -rf "$work"/apt/cache/*.bin
fi
[ -s "$work/apt/sources.list" ] || { echo "no source of Debian $release is set up here" >&2 && exit 1; }
own=(-o "Dir::Etc=$work/apt/etc" -o "Dir::Etc::sourcelist=$work/apt/sources.list")
apt "${own[@]}" update >&2
if [ "$from" = sid ]; then
	apt "${own[@]}" install -y --download-only "$@" >&2
else
	apt "${own[@]}" download "$@" >&2
fi
for package in "$work"/apt/cache/archives/*.deb; do
	dpkg-deb --fsys-tarfile "$package" | tar -x -C "$work/new" --no-same-owner
done

cat >"$work/new/run" <<'END'
#!/bin/sh
# Runs a program of this folder on the libraries of this folder.
here=$(dirname "$(readlink -f "$0")")
program=$1
shift
libraries=$(find "$here/usr/lib" -maxdepth 1 -name '*-linux-gnu*' -type d -printf '%p:')
exec "$(echo "$here"/usr/lib*/ld-linux-*.so.*)" --library-path "$libraries" "$here/$program" "$@"
END
chmod 755 "$work/new/run"
[ "$from" = sid ] || rm "$work/new/run" # of this machine's release: on its libraries
mv -T "$work/new" "$folder" 2>/dev/null || [ -d "$folder" ] # or somebody else was faster
echo "$folder"
