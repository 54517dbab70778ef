#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.sh [PROGRAM...]: run the test programs (all of them, also over a pair of npnic
# devices, or these without) and the KUnit
# tests on the debug kernel with a module that counts which of its lines are reached
# (gcov), and print a table. It fails if fewer than 85 % of the lines or 95 % of the
# labels that errors lead to are reached, unless only some programs were asked for.
#
# Annotated sources, COUNT:LINE:TEXT, are left below coverage/ in the cache.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/results.sh"
set -e

over_nic=()
lines=85 labels=95 limit=${NEWPROTO_COVERAGE_LIMIT:-5400}
out=$(out_dir coverage)
[ $# = 0 ] || lines=0 labels=0

build() {
	"$top/scripts/build-module.sh" debug "$out/module" GCOV_PROFILE=y
}

run_quiet "building newproto.ko with counters" "$out/build.log" build || exit 1
run_quiet "building the test programs" "$out/selftests.log" \
	make -C "$top/selftests" OUTPUT="$out/selftests" || exit 1
if [ $# = 0 ]; then
	mapfile -t tests < <(make -s -C "$top/selftests" OUTPUT="$out/selftests" list)
	# The crowd of connections wants more memory than this guest has, and reaches nothing new.
	for p in "${tests[@]}"; do
		[ "$p" = load ] || set -- "$@" "$p"
	done
	mapfile -t over_nic < <(make -s -C "$top/selftests" OUTPUT="$out/selftests" nic-list)
fi
mapfile -t companions < <(make -s -C "$top/selftests" OUTPUT="$out/selftests" files)

files=(-f "$top/scripts/guest/run-tests.sh")
for p in "$@" "${companions[@]}"; do
	files+=(-f "$out/selftests/$p:/test/$p")
done
status=0
run_quiet "running $# programs" "$out/guest.tap" \
	"$top/scripts/vm.sh" -k debug -s 2 -m 1024 -t "$limit" -o "$out/console.log" \
	-M "$out/module/newproto.ko" -M "$out/module/newproto_kunit.ko" \
	-M "$out/module/npnic.ko" -M sctp -M dummy \
	-e "OVER_NIC=${over_nic[*]/#/./}" \
	-e "NEWPROTO_TEST_SCALE=${NEWPROTO_TEST_SCALE:-1}" "${files[@]}" \
	"$top/scripts/guest/run-coverage.sh" 900 "${@/#/./}" || status=$?
[ $status = 0 ] || say "the guest's status is $status; what it counted is shown all the same"

counts=$out/counts
rm -rf "$counts" "$out/annotated"
mkdir -p "$counts" "$out/annotated"
sed -n '/^@@gcov$/,/^@@gcov-end$/p' "$out/guest.tap" | grep -v '^@@' | base64 -d |
	tar -C "$counts" -x -z -f - || die "the guest has printed no counts"

# gcov wants counts and notes side by side.
find "$counts" -path '*/net/newproto/*.gcda' ! -path '*/tests/*' | while read -r gcda; do
	name=$(basename "$gcda" .gcda)
	cp "$gcda" "$out/module/net/newproto/$name.gcda"
	(cd "$out/annotated" && gcov -s "$out/module" -r -o "$out/module/net/newproto" \
		"$name.gcda" >/dev/null 2>&1)
done
cd "$out/annotated"
annotated=(*.c.gcov)
[ -e "${annotated[0]}" ] || die "gcov has annotated nothing"
verdict=0
awk -v lines=$lines -v labels=$labels -f "$top/scripts/coverage.awk" "${annotated[@]}" ||
	verdict=1
[ $verdict = 0 ] || die "less than $lines % of the lines, or $labels % of the labels"
[ $status = 0 ] || die "the guest failed: see $out/guest.tap"
! grep -q '^not ok' "$out/guest.tap" || die "tests failed: see $out/guest.tap"
