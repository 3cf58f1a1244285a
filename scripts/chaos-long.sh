#!/usr/bin/env bash
# Strike beds with faults, seed after seed, for so many hours; keep each result.
# A violation does not end it, but the exit code is that of the worst run, and
# the folder of a run that did not pass stays.
set -uo pipefail
cd "$(dirname "$0")/.."
hours=${1:?usage: chaos-long.sh HOURS}
end=$(( $(date +%s) + $(awk "BEGIN {print int($hours * 3600)}") ))
out=${MMM_CHAOS_OUT:-/tmp/mmm-chaos-long}
worst=0
while [ "$(date +%s)" -lt "$end" ]; do
	seed=$(( $(date +%s%N) / 1000000 % 1000000000 ))
	bin/mmmlab chaos --seed "$seed" --minutes 4 --out "$out/$seed" --record docs/reliability/chaos.jsonl
	code=$?
	case $code in
	0) rm -rf "${out:?}/$seed" ;;
	*) echo "seed $seed: exit code $code; its page, histories and logs stay in $out/$seed" ;;
	esac
	[ "$code" -gt "$worst" ] && worst=$code
done
exit "$worst"
