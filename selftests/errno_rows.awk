# SPDX-License-Identifier: GPL-2.0-only
#
# Makes errno_rows.h from errno.tsv, and so from errno_data.tsv and errno_dgram.tsv: one
# ROW() per row, with a name of its own.
# Columns: call, state, arguments, result, TCP's result where it differs, source.

BEGIN {
	FS = "\t+"
	print "/* Made by errno_rows.awk from the table of its name. */"
}

/^#/ || /^$/ { next }

NF != 6 {
	printf "%s:%d: %d columns instead of 6\n", FILENAME, NR, NF > "/dev/stderr"
	failed = 1
	exit 1
}

{
	name = $1 "_" $2 ($3 == "-" ? "" : "_" $3)
	gsub(/=-/, "_minus_", name)
	gsub(/[^A-Za-z0-9]+/, "_", name)
	if (name in seen) {
		printf "%s:%d: the same row as line %d\n", FILENAME, NR, seen[name] > "/dev/stderr"
		failed = 1
		exit 1
	}
	seen[name] = NR
	printf "ROW(%s, %d, \"%s\", \"%s\", \"%s\", \"%s\", \"%s\")\n", name, NR, $1, $2,
	       $3 == "-" ? "" : $3, $4, $5
}

END {
	if (!failed && !length(seen)) {
		print FILENAME ": no rows" > "/dev/stderr"
		exit 1
	}
}
