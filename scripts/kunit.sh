#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kunit.sh uml|debug: build the module and its KUnit tests for a test kernel, run them
# in it, and print every failure with its output. Results, one a line, go to the file
# NEWPROTO_RESULTS if that is set (check.sh does).
#
# Where user-mode Linux cannot run any program, the tests run on the debug kernel, or are
# skipped for check.sh, which has a job for that.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/results.sh"
set -e

kernel=${1:-uml}
log=$cache/log/kunit-$kernel-$$.console
mkdir -p "$cache/log"
work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-kunit.XXXXXX")
trap 'rm -rf "$work"' EXIT

# User-mode Linux of 6.1 sets a process's registers as 2,696 bytes. A host whose processors
# have more of them (11,008 bytes with AMX) answers EFAULT, and init dies before it has run
# anything. Whatever else is wrong with it is no reason to leave the tests out.
uml_kills_init() {
	: >"$work/probe"
	"$top/scripts/vm.sh" -k uml -t 60 -o "$work/probe.log" "$work/probe" >"$work/probe.out" 2>&1 &&
		return 1
	grep -q 'Attempted to kill init' "$work/probe.log" && ! grep -q '@@vm start' "$work/probe.log"
}

if [ "$kernel" = uml ] && uml_kills_init; then
	say "user-mode Linux of 6.1 runs no program on this machine's processor"
	if [ -z "${NEWPROTO_RESULTS:-}" ]; then
		rm -rf "$work"
		exec "$0" debug
	fi
	echo "skip kunit-uml (user-mode Linux does not run here; see kunit-debug)" >"$NEWPROTO_RESULTS"
	exit 0
fi

build() {
	"$top/scripts/build-module.sh" "$kernel" >"$work/out"
}
run_quiet "building the modules for the $kernel kernel" "$work/build.log" build || exit 1
out=$(cat "$work/out")

modules=() names=()
for ko in "$out"/*.ko; do
	modules+=(-M "$ko")
	case $ko in
	*_kunit.ko) names+=("$(basename "$ko" .ko)") ;;
	esac
done
[ ${#names[@]} -gt 0 ] || die "no KUnit module in $out"

say "KUnit on the $kernel kernel"
status=0
"$top/scripts/vm.sh" -k "$kernel" -s 2 -o "$log" -t 600 "${modules[@]}" \
	"$top/scripts/guest/run-kunit.sh" "${names[@]}" || status=$?
collect "kunit-$kernel" 4 <"$log" >"$work/results"
[ $status = 0 ] || echo "fail kunit-$kernel kernel-log (status $status of vm.sh)" >>"$work/results"
[ -z "${NEWPROTO_RESULTS:-}" ] || cp "$work/results" "$NEWPROTO_RESULTS"
show_results <"$work/results" || die "the kernel's log is $log"
rm "$log"
