# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# results.sh: from the output of test programs to "N passed, N failed". Needs lib.sh.
#
# shellcheck disable=SC2154 # top comes from lib.sh

# collect GROUP INDENT <OUTPUT: one line for each test (see tap.awk); what failed is shown.
collect() {
	local details

	details=$(mktemp)
	awk -v group="$1" -v indent="$2" -v details="$details" -f "$top/scripts/tap.awk"
	cat "$details" >&2
	rm -f "$details"
}

# show_results <RESULTS: names what failed and what was skipped, and ends with the sum.
show_results() {
	awk '
	{ n[$1]++ }
	$1 == "skip" { skipped = skipped "  " substr($0, 6) "\n" }
	$1 == "fail" { failed = failed "  " substr($0, 6) "\n" }
	END {
		if (n["skip"])
			printf "%d skipped:\n%s", n["skip"], skipped
		if (n["fail"])
			printf "%d failed:\n%s", n["fail"], failed
		printf "%d passed, %d failed\n", n["pass"], n["fail"]
		exit n["fail"] || !n["pass"]
	}'
}
