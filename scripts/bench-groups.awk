# SPDX-License-Identifier: GPL-2.0-only
#
# bench-groups.awk: the part of bench-report.awk for SO_REUSEPORT groups. Its lines have
# after the kind: the figure for one operation, the least, the most, how many operations
# were timed, and how many connections were lost.

BEGIN {
	policies = "newproto:hash newproto:round-robin newproto:least-loaded newproto:last-bound"
	busy = "newproto:least-busy"
	sizes = "1 2 8 64 1024"
}

$2 == "group" {
	value[$1, $3, $4] = $5
	operations[$3] = $8
	lost[$1, $3, $4] = $9
	seen[$1, "group"] = 1
}

# One line for the columns of @kinds; @all: of all operations together.
function group_line(name, section, row, kinds, all, scale, digits,	i, k, n, kind, s)
{
	n = split(kinds, kind, " ")
	s = sprintf("%-22s", "  " name)
	for (i = 1; i <= n; i++) {
		k = section SUBSEP row SUBSEP kind[i]
		s = s sprintf(" %12s", !(k in value) ? "-" : \
			      number(value[k] * (all ? operations[row] : 1) / scale, digits))
	}
	print s
}

function group_head(text, titles,	i, n, t, s)
{
	n = split(titles, t, " ")
	s = sprintf("%-22s", text)
	for (i = 1; i <= n; i++)
		s = s sprintf(" %12s", t[i])
	print s
}

# How many times as much as one at 2 members a connect at 1,024 is.
function growth(section, kind)
{
	if (!((section, "gcycle2", kind) in value) || !((section, "gcycle1024", kind) in value))
		return "-"
	return sprintf("%.2f", value[section, "gcycle1024", kind] / value[section, "gcycle2", kind])
}

function has_row(section, pattern,	k, part)
{
	for (k in value) {
		split(k, part, SUBSEP)
		if (part[1] == section && part[2] ~ pattern)
			return 1
	}
	return 0
}

function connects_table(section, scale, digits,	i, n, size, kind, kinds, s)
{
	if (!has_row(section, "^gcycle"))
		return
	kinds = "tcp " policies " " busy
	print " A whole connect: connect, accept, close both"
	group_head("  members", "TCP hash round-robin least-loaded last-bound busy*")
	n = split(sizes, size, " ")
	for (i = 1; i <= n; i++)
		group_line(number(size[i], 0), section, "gcycle" size[i], kinds, 0, scale, digits)
	n = split(kinds, kind, " ")
	s = sprintf("%-22s", "  1,024 / 2")
	for (i = 1; i <= n; i++)
		s = s sprintf(" %12s", growth(section, kind[i]))
	print s
	print "  * least-loaded, where a connection waits for each member all the time"
}

function moves_table(section, scale, digits,	i, j, k, n, m, size, kind, kinds, s)
{
	if (!has_row(section, "^gmove"))
		return
	kinds = "tcp tcp:migrate " policies
	print " Closing a member that 4,096 connections wait for (TCP resets them, unless tcp_migrate_req is 1)"
	group_head("", "TCP migrate_req hash round-robin least-loaded last-bound")
	n = split("2 8", size, " ")
	m = split(kinds, kind, " ")
	for (i = 1; i <= n; i++) {
		group_line(size[i] " members, all", section, "gmove" size[i], kinds, 1, scale, digits)
		group_line("for each of them", section, "gmove" size[i], kinds, 0, scale, digits)
		s = sprintf("%-22s", "  lost")
		for (j = 1; j <= m; j++) {
			k = section SUBSEP "gmove" size[i] SUBSEP kind[j]
			s = s sprintf(" %12s", k in lost ? number(lost[k], 0) : "-")
		}
		print s
	}
}

function many_table(section, scale, digits,	kinds)
{
	if (!has_row(section, "^g(bind|close)"))
		return
	kinds = "tcp newproto:hash"
	print " 24,000 members"
	group_head("", "TCP hash")
	group_line("bind + listen, all", section, "gbind", kinds, 1, scale, digits)
	group_line("each", section, "gbind", kinds, 0, scale, digits)
	group_line("close, all", section, "gclose", kinds, 1, scale, digits)
	group_line("each", section, "gclose", kinds, 0, scale, digits)
}

function groups_table(section, head, scale, digits)
{
	if (!seen[section, "group"])
		return
	print head
	connects_table(section, scale, digits)
	moves_table(section, scale, digits)
	many_table(section, scale, digits)
	print ""
}

function policy_title(kind)
{
	if (kind == busy)
		return "groups, least-loaded, busy"
	return "groups, " substr(kind, index(kind, ":") + 1)
}

function group_growth(kind,	r)
{
	r = growth("instructions", kind)
	bar(policy_title(kind) ": 1,024 members at most 1.5 times 2",
	    r == "-" ? "?" : value["instructions", "gcycle1024", kind] <= \
		1.5 * value["instructions", "gcycle2", kind] ? "yes" : "no", r)
}

function group_ahead(kind,	i, n, size, row, ok, behind)
{
	ok = "yes"
	n = split(sizes, size, " ")
	for (i = 1; i <= n; i++) {
		row = "gcycle" size[i]
		if (!(("instructions", row, kind) in value) || !(("instructions", row, "tcp") in value))
			ok = "?"
		else if (value["instructions", row, kind] >= value["instructions", row, "tcp"])
			behind = behind " " number(size[i], 0)
	}
	bar(policy_title(kind) ": ahead of TCP's, 1 to 1,024 members",
	    ok == "?" ? ok : behind == "" ? "yes" : "no", behind == "" ? "" : "behind at" behind)
}

function group_moves(	i, j, k, n, m, kind, size, ok, sum)
{
	ok = "yes"
	n = split(policies, kind, " ")
	m = split("2 8", size, " ")
	for (i = 1; i <= n; i++)
		for (j = 1; j <= m; j++) {
			k = "instructions" SUBSEP "gmove" size[j] SUBSEP kind[i]
			if (!(k in lost))
				ok = "?"
			else
				sum += lost[k]
		}
	bar("groups: of 4,096 that wait for a member that closes, none lost",
	    ok == "?" ? ok : sum ? "no" : "yes", sum ? number(sum, 0) " lost" : "")
}

function groups_bars(	i, n, kind)
{
	n = split(policies " " busy, kind, " ")
	for (i = 1; i <= n; i++)
		group_growth(kind[i])
	for (i = 1; i <= n; i++)
		group_ahead(kind[i])
	group_moves()
}
