# SPDX-License-Identifier: GPL-2.0-only
#
# bench-report.awk: the figures of bench.sh as a table, and the bars that they have to meet.
#
# Input, separated by tabs: SECTION, what, row, kind, value, and more. Variables: quick (yes)
# and module (no), both without bars; part (groups: only these); strict (1: a missed bar is a
# failure), connections, accel. What is about groups is in bench-groups.awk.

BEGIN {
	FS = "\t"
	split("pipe AF_UNIX TCP AF_VSOCK AF_NEWPROTO", titles, " ")
	streams = rows_of("pp64 pp4k pp64k ow64 ow1k ow16k ow64k cycle", "unix tcp vsock", "",
			  "ping-pong 64 B|ping-pong 4 KiB|ping-pong 64 KiB|one way 64 B|one way 1 KiB|" \
			  "one way 16 KiB|one way 64 KiB|connect, 1 B each way")
	datagrams = rows_of("dpp64 dpp8k dow64", "unix udp", "datagrams, ",
			    "ping-pong 64 B|ping-pong 8 KiB|one way 64 B")
	packets = rows_of("spp64 spp8k sow64", "unix", "sequenced packets, ",
			  "ping-pong 64 B|ping-pong 8 KiB|one way 64 B")
	name["unix"] = "AF_UNIX"
	name["tcp"] = "TCP"
	name["udp"] = "UDP"
	name["vsock"] = "AF_VSOCK"
}

# A group of rows: what they are compared with, what a bar calls them, and their titles.
function rows_of(list, against, prefix, titles,	i, n, row, t)
{
	n = split(list, row, " ")
	split(titles, t, "|")
	for (i = 1; i <= n; i++) {
		title[row[i]] = t[i]
		bar_title[row[i]] = prefix t[i]
		peers[row[i]] = against
	}
	return list
}

$2 == "kernel"	{ kernel = $3 }
$2 == "load"	{ load = $3 }
$2 == "speed"	{ value[$1, $3, $4] = $5; seen[$1] = 1 }
$2 == "absent" && !(module == "no" && $4 ~ /^newproto/) { absent[$4 " (" $5 ": " $6 ")"]++ }
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

# @list are rows of one group, with the columns of @kinds; the group's head is printed when
# there is a row.
function speed_rows(section, head, list, kinds, scale, digits,	i, k, n, row, kind, c)
{
	n = split(list, row, " ")
	split(kinds, kind, " ")
	for (i = 1; i <= n; i++) {
		for (k = 1; k <= 5; k++)
			c[k] = kind[k] == "." ? "" : cell(section SUBSEP row[i] SUBSEP kind[k], scale, digits)
		if (c[1] c[2] c[3] c[4] c[5] ~ /^-*$/)
			continue
		if (head != "")
			print head
		head = ""
		line("  " title[row[i]], c[1], c[2], c[3], c[4], c[5], ratio(section, row[i]))
	}
}

function speed_table(section, head, scale, digits)
{
	if (!seen[section])
		return
	print head
	speed_rows(section, "", streams, "pipe unix tcp vsock newproto", scale, digits)
	speed_rows(section, " Datagrams (in TCP's column: UDP)", datagrams, ". unix udp . newproto",
		   scale, digits)
	speed_rows(section, " Sequenced packets", packets, ". unix . . newproto", scale, digits)
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

function bound_cell(kind)
{
	return cell("bound" SUBSEP kind, 1, 0)
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
	printf "Kernel memory, bytes per datagram socket (%s sockets; in TCP's column: UDP)\n",
	       number(connections, 0)
	line("  bound, IPv4", "", bound_cell("unix"), bound_cell("udp"), "", bound_cell("newproto"), "")
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

function ahead(row,	i, k, n, peer, ok, detail, mine, names)
{
	ok = "?"
	if (("instructions", row, "newproto") in value) {
		ok = "yes"
		mine = value["instructions", row, "newproto"]
	}
	n = split(peers[row], peer, " ")
	for (i = 1; i <= n; i++) {
		k = peer[i]
		names = names (i == 1 ? "" : i == n ? " and " : ", ") name[k]
		if (!(("instructions", row, k) in value)) {
			ok = "?"
		} else if (ok != "?" && mine >= value["instructions", row, k]) {
			ok = "no"
			detail = detail " behind " k
		}
	}
	bar(bar_title[row] ": ahead of " names, ok, detail)
}

function all_ahead(list,	i, n, row)
{
	n = split(list, row, " ")
	for (i = 1; i <= n; i++)
		ahead(row[i])
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

function bars()
{
	all_ahead(streams)
	all_ahead(datagrams)
	all_ahead(packets)
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
}

END {
	if (!seen["instructions"] && !seen["wall"] && !seen["memory"] && \
	    !seen["instructions", "group"] && !seen["wall", "group"]) {
		print "nothing was measured"
		exit 1
	}
	times = "(two CPUs; QEMU " accel "; this machine's load was " load ")"
	print ""
	if (part == "groups")
		print "Linux " kernel
	else
		line("Linux " kernel, titles[1], titles[2], titles[3], titles[4], titles[5], "UNIX/NEW")
	print ""
	speed_table("instructions", "Instructions per operation (one CPU, QEMU -icount)", 1, 0)
	speed_table("wall", "Microseconds per operation " times, 1000, 1)
	memory_table()
	groups_table("instructions", "SO_REUSEPORT groups of TCP and of AF_NEWPROTO by policy, instructions", 1, 0)
	groups_table("wall", "SO_REUSEPORT groups, microseconds " times, 1000, 1)
	for (kind in absent) {
		print "not available in this guest: " kind
		missing = 1
	}
	if (quick == "yes" || module == "no")
		exit missing
	print "Bars (instructions and memory)"
	if (part != "groups")
		bars()
	groups_bars()
	printf "%d met, %d missed, %d not measured\n", met, missed, unknown
	exit (missing || unknown || (strict && missed)) ? 1 : 0
}
