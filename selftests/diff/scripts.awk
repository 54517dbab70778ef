# SPDX-License-Identifier: GPL-2.0-only
#
# Makes diff_scripts.h from the scripts and the table of differences: each file a string,
# so that the program needs nothing beside it.

function quoted(line) {
	gsub(/\\/, "\\\\", line)
	gsub(/"/, "\\\"", line)
	gsub(/\t/, "\\t", line)
	return "\t\"" line "\\n\""
}

function base(path) {
	sub(/.*\//, "", path)
	return path
}

BEGIN {
	print "/* Made by scripts.awk. */"
	print "const struct text_file script_files[] = {"
}

FNR == 1 {
	if (NR > 1)
		print "\t},"
	table = FILENAME ~ /\.tsv$/
	if (table)
		print "\t{ }\n};\n\nconst struct text_file table_file ="
	print "\t{ \"" base(FILENAME) "\","
}

{ print quoted($0) }

END { print "\t};" }
