# SPDX-License-Identifier: GPL-2.0-only
#
# bench-report.awk: the figures of bench.sh as a table, and the bars that they have to meet.
#
# Input, separated by tabs: SECTION, what, row, kind, value, and more. Variables: quick (yes)
# and module (no), both without bars; strict (1: a missed bar is a failure), connections, accel.

BEGIN {
	FS = "\t"
	nkinds = split("pipe unix tcp vsock newproto", kinds, " ")
	split("pipe AF_UNIX TCP AF_VSOCK AF_NEWPROTO", titles, " ")
	nrows = split("pp64 pp4k pp64k ow64 ow1k ow16k ow64k cycle", rows, " ")
	split("ping-pong 64 B|ping-pong 4 KiB|ping-pong 64 KiB|one way 64 B|one way 1 KiB|" \
	      "one way 16 KiB|one way 64 KiB|connect, 1 B each way", row_titles, "|")
	for (i = 1; i <= nrows; i++)
		title[rows[i]] = row_titles[i]
}

$2 == "kernel"	{ kernel = $3 }
$2 == "load"	{ load = $3 }
$2 == "speed"	{ value[$1, $3, $4] = $5; seen[$1] = 1; seen_kind[$4] = 1 }
$2 == "absent" && !(module == "no" && $4 ~ /^newproto/) { absent[$4]++ }
$2 == "memory"	{ value[$3, $4] = $5; seen["memory"] = 1 }

# 1234567.8 -> 1,234,568 and, with two digits, 12.34
function number(x, digits,	s, t)
{
	s = sprintf("%.*f", digits, x)
	t = ""
	if (digits) {
		t = substr(s, length(s) - digits)
		s = substr(s, 1, length(s) - digits - 1)
	}
	while (s ~ /[0-9][0-9][0-9][0-9]/ && length(s) > 3) {
		t = "," substr(s, length(s) - 2) t
		s = substr(s, 1, length(s) - 3)
	}
	return s t
}

function cell(key, scale, digits)
{
	if (!(key in value))
		return "-"
	return number(value[key] / scale, digits)
}

# Columns that are empty at the end leave no blanks.
function line(name, a, b, c, d, e, ratio,	s)
{
	s = sprintf("%-38s %9s %9s %9s %9s %12s %9s", name, a, b, c, d, e, ratio)
	sub(/ +$/, "", s)
	print s
}

function ratio(section, row)
{
	if (!((section, row, "unix") in value) || !((section, row, "newproto") in value))
		return "-"
	return sprintf("%.2f", value[section, row, "unix"] / value[section, row, "newproto"])
}

function speed_table(section, head, scale, digits,	i, k, c)
{
	if (!seen[section])
		return
	print head
	for (i = 1; i <= nrows; i++) {
		for (k = 1; k <= nkinds; k++)
			c[k] = cell(section SUBSEP rows[i] SUBSEP kinds[k], scale, digits)
		if (c[1] c[2] c[3] c[4] c[5] == "-----")
			continue
		line("  " title[rows[i]], c[1], c[2], c[3], c[4], c[5], ratio(section, rows[i]))
	}
	print ""
}

# The same figure for IPv4 and IPv6; AF_UNIX has only one.
function memory_lines(name, what)
{
	line("  " name ", IPv4", "", cell(what SUBSEP "unix", 1, 0), cell(what SUBSEP "tcp", 1, 0), "",
	     cell(what SUBSEP "newproto", 1, 0), "")
	line("  " name ", IPv6", "", cell(what SUBSEP "unix", 1, 0), cell(what SUBSEP "tcp6", 1, 0), "",
	     cell(what SUBSEP "newproto6", 1, 0), "")
}

# Pages, those of slab objects included.
function held(kind)
{
	return sprintf("%.0f", value["after", kind] * connections / 4096)
}

function held_cell(kind)
{
	return ("after", kind) in value ? held(kind) : "-"
}

function memory_table()
{
	if (!seen["memory"])
		return
	printf "Kernel memory, bytes per connection (%s connections)\n", number(connections, 0)
	memory_lines("idle", "idle")
	memory_lines("more with 1 B waiting each way", "full")
	print "Pages held for all of them, one second after the last byte was read"
	line("  beyond the idle ones, IPv4", "", held_cell("unix"), held_cell("tcp"), "", held_cell("newproto"), "")
	line("  beyond the idle ones, IPv6", "", held_cell("unix"), held_cell("tcp6"), "", held_cell("newproto6"), "")
	print ""
}

# One bar: "yes" and "no" are met and missed, all else says it was not measured.
function bar(name, ok, detail)
{
	if (ok == "yes")
		met++
	else if (ok == "no")
		missed++
	else
		unknown++
	printf "%-5s %s\n", ok == "yes" ? "PASS" : ok == "no" ? "FAIL" : "?",
	       detail == "" ? name : sprintf("%-66s %s", name, detail)
}

function ahead(row,	i, k, peer, ok, detail, mine)
{
	ok = "?"
	if (("instructions", row, "newproto") in value) {
		ok = "yes"
		mine = value["instructions", row, "newproto"]
	}
	split("unix tcp vsock", peer, " ")
	for (i = 1; i <= 3; i++) {
		k = peer[i]
		if (!(("instructions", row, k) in value)) {
			ok = "?"
		} else if (ok != "?" && mine >= value["instructions", row, k]) {
			ok = "no"
			detail = detail " behind " k
		}
	}
	bar(title[row] ": ahead of AF_UNIX, TCP and AF_VSOCK", ok, detail)
}

function at_least(row, want,	r)
{
	r = ratio("instructions", row)
	bar(sprintf("%s: AF_UNIX / AF_NEWPROTO at least %.1f", title[row], want),
	    r == "-" ? "?" : value["instructions", row, "unix"] >= \
		want * value["instructions", row, "newproto"] ? "yes" : "no", r)
}

function at_most(name, kind, peer, extra,	mine, limit, ok)
{
	ok = "?"
	if (("idle", kind) in value && ("idle", peer) in value) {
		mine = value["idle", kind]
		limit = value["idle", peer] + extra
		ok = mine < limit || (extra && mine == limit) ? "yes" : "no"
	}
	bar(name, ok, ok == "?" ? "" : number(mine, 0) " of " number(limit, 0))
}

# A buffer kept by every connection would be hundreds of pages even if it were a small
# slab object. A few of the kernel's own come and go, as TCP and AF_UNIX show.
function given_back(name, kind)
{
	if (("after", kind) in value)
		bar(name, held(kind) * 1000 <= connections ? "yes" : "no", held(kind) " pages")
	else
		bar(name, "?", "")
}

function bars(	i)
{
	print "Bars (instructions and memory)"
	for (i = 1; i <= nrows; i++)
		ahead(rows[i])
	at_least("pp64", 1.5)
	at_least("ow64", 2.0)
	at_least("pp64k", 1.3)
	at_least("ow64k", 1.3)
	at_least("cycle", 1.0)
	at_most("idle memory, IPv4: at most AF_UNIX's + 1,024 bytes", "newproto", "unix", 1024)
	at_most("idle memory, IPv6: at most AF_UNIX's + 1,408 bytes", "newproto6", "unix", 1408)
	at_most("idle memory, IPv4: below TCP's", "newproto", "tcp", 0)
	at_most("idle memory, IPv6: below TCP's", "newproto6", "tcp6", 0)
	given_back("no buffer page a second after the last byte was read, IPv4", "newproto")
	given_back("no buffer page a second after the last byte was read, IPv6", "newproto6")
	printf "%d met, %d missed, %d not measured\n", met, missed, unknown
}

END {
	if (!seen["instructions"] && !seen["wall"] && !seen["memory"]) {
		print "nothing was measured"
		exit 1
	}
	print ""
	line("Linux " kernel, titles[1], titles[2], titles[3], titles[4], titles[5], "UNIX/NEW")
	print ""
	speed_table("instructions", "Instructions per operation (one CPU, QEMU -icount)", 1, 0)
	speed_table("wall", "Microseconds per operation (two CPUs; QEMU " accel \
		    "; this machine's load was " load ")", 1000, 1)
	memory_table()
	for (kind in absent) {
		print "not available in this guest: " kind
		missing = 1
	}
	if (quick == "yes" || module == "no")
		exit missing
	bars()
	exit (missing || unknown || (strict && missed)) ? 1 : 0
}
