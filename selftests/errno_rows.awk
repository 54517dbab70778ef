# SPDX-License-Identifier: GPL-2.0-only
#
# Makes errno_rows.h from errno.tsv, and so from errno_data.tsv and errno_dgram.tsv: one
# ROW() per row, with a name of its own.
# Columns: call, state, arguments, result, TCP's result where it differs, source. Or:
# "skip", calls, states, and why there are no rows of these calls in these states.
#
# The table has to be complete: callops.c and scene.c, which are read before it, have the
# calls and the states, and each of one in each of the other is a row, or is skipped.

BEGIN {
	FS = "\t+"
	print "/* Made by errno_rows.awk from the table of its name. */"
}

function fail(text) {
	print text > "/dev/stderr"
	failed = 1
}

# Names of the lines { "name", do_name } or make_name.
FILENAME ~ /\.c$/ {
	while (match($0, /\{ "[^"]+", (do|make)_/)) {
		name = substr($0, RSTART + 3)
		sub(/".*/, "", name)
		if (substr($0, RSTART + RLENGTH - 3, 3) == "do_")
			calls[++ncalls] = name
		else
			states[++nstates] = name
		known[name]
		$0 = substr($0, RSTART + RLENGTH)
	}
	next
}

/^#/ || /^$/ { next }

# Is the name in a list such as "send,recv*", or, with a "!" before it, not in it?
function listed(name, list,	i, n, no, word, words) {
	no = sub(/^!/, "", list)
	n = split(list, words, ",")
	for (i = 1; i <= n; i++) {
		word = words[i]
		if (word == name ||
		    (sub(/\*$/, "", word) && substr(name, 1, length(word)) == word))
			return !no
	}
	return no
}

function check_list(list,	i, n, word, words) {
	sub(/^!/, "", list)
	n = split(list, words, ",")
	for (i = 1; i <= n; i++)
		if (words[i] !~ /\*$/ && !(words[i] in known))
			fail(FILENAME ":" FNR ": no call or state is named " words[i])
}

$1 == "skip" && NF == 4 {
	check_list($2)
	check_list($3)
	used = 0
	for (i = 1; i <= ncalls; i++)
		for (j = 1; j <= nstates; j++)
			if (listed(calls[i], $2) && listed(states[j], $3)) {
				skipped[calls[i], states[j]] = FNR
				used = 1
			}
	if (!used)
		fail(FILENAME ":" FNR ": skips nothing")
	next
}

NF != 6 {
	fail(FILENAME ":" FNR ": " NF " columns instead of 6")
	next
}

{
	name = $1 "_" $2 ($3 == "-" ? "" : "_" $3)
	gsub(/=-/, "_minus_", name)
	gsub(/[^A-Za-z0-9]+/, "_", name)
	if (name in seen)
		fail(FILENAME ":" FNR ": the same row as line " seen[name])
	seen[name] = FNR
	check_list($1)
	check_list($2)
	rows[$1, $2] = FNR
	printf "ROW(%s, %d, \"%s\", \"%s\", \"%s\", \"%s\", \"%s\")\n", name, FNR, $1, $2,
	       $3 == "-" ? "" : $3, $4, $5
}

END {
	if (!ncalls || !nstates)
		fail(FILENAME ": no calls or no states to check it by")
	for (i = 1; i <= ncalls; i++) {
		missing = ""
		for (j = 1; j <= nstates; j++) {
			there = (calls[i], states[j]) in rows
			skip = (calls[i], states[j]) in skipped
			if (!there && !skip)
				missing = missing " " states[j]
			if (there && skip)
				fail(FILENAME ":" rows[calls[i], states[j]] \
				     ": skipped, by line " skipped[calls[i], states[j]])
		}
		if (missing != "")
			fail(FILENAME ": no rows of " calls[i] " in these states:" missing)
	}
	if (failed)
		exit 1
}
