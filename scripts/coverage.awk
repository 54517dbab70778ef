# SPDX-License-Identifier: GPL-2.0-only
#
# coverage.awk: from gcov's annotated sources (COUNT:LINE:TEXT), one file after the other,
# a table of the lines and of the labels that were reached, and which labels were not. A label
# is where errors lead to; it has been reached if the first statement after it has.
#
#	-v lines=PERCENT -v labels=PERCENT	what is asked for; exits with 1 if it is not met

function percent(n, of) { return of ? 100 * n / of : 100 }

function show(name, n, of, l, lof) {
	printf "%-18s %5d of %5d lines %6.1f %%", name, n, of, percent(n, of)
	if (lof)
		printf "   %3d of %3d labels %6.1f %%", l, lof, percent(l, lof)
	printf "\n"
}

function end_of_file() {
	if (file == "")
		return
	show(file, hit, all, lhit, lall)
	sum_hit += hit; sum_all += all; sum_lhit += lhit; sum_lall += lall
}

{
	count = $0; sub(/:.*/, "", count); gsub(/[ *]/, "", count)
	rest = $0; sub(/^[^:]*:/, "", rest)
	line = rest + 0
	sub(/^[^:]*:/, "", rest)
}

line == 0 && rest ~ /^Source:/ {
	end_of_file()
	file = rest; sub(/.*\//, "", file)
	hit = all = lhit = lall = 0; label = ""
	next
}

rest ~ /^[a-z_]+:$/ { label = substr(rest, 1, length(rest) - 1); next }
count == "-" || line == 0 { next }

{
	all++
	reached = count !~ /^[#=]/
	hit += reached
	if (label == "")
		next
	lall++
	lhit += reached
	if (!reached)
		missed = missed sprintf("  %s:%d: %s\n", file, line, label)
	label = ""
}

END {
	end_of_file()
	show("all", sum_hit, sum_all, sum_lhit, sum_lall)
	if (missed != "")
		printf "labels that were not reached:\n%s", missed
	exit percent(sum_hit, sum_all) < lines || percent(sum_lhit, sum_lall) < labels
}
