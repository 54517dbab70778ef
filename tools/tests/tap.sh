# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# tap.sh: what the tests of the tools print. Source it with $dir, a directory for scratch, set.
#
#	result ok|"not ok" NAME			one test
#	skip NAME WHY
#	expect NAME CODE PATTERN COMMAND...	does COMMAND exit with CODE, and is PATTERN
#						(extended, one line; or empty) in what it says?
#	finish					the plan, and 1 if a test has failed
#
# shellcheck disable=SC2154 # dir comes from who sources this

count=0
failed=0

result() {
	count=$((count + 1))
	echo "$1 $count - $2"
	[ "$1" = ok ] || failed=$((failed + 1))
}

skip() {
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

expect() {
	name=$1 code=$2 pattern=$3
	shift 3
	"$@" >"$dir/out" 2>&1
	got=$?
	if [ $got -eq "$code" ] && { [ -z "$pattern" ] || grep -Eq -- "$pattern" "$dir/out"; }; then
		result ok "$name"
	else
		result "not ok" "$name"
		echo "# exit code $got for $code; wanted /$pattern/ in:"
		sed 's/^/#   /' "$dir/out"
	fi
}

finish() {
	echo "1..$count"
	[ $failed -eq 0 ]
}
