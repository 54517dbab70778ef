# SPDX-License-Identifier: GPL-2.0-only
#
# The report of "bench.sh --nic": one table for each section, and which bars are met. A figure
# is per operation: instructions, or nanoseconds.

BEGIN {
	FS = "\t"
	nkinds = split("unix newproto direct tcp-veth tcp-npnic", kinds, " ")
	nrows = split("pp64 pp4k pp64k ow64 ow1k ow16k ow64k", rows, " ")
	title["instructions"] = "Instructions per operation"
	title["wall"] = "Nanoseconds per operation"
}

$2 == "speed" { value[$1, $3, $4] = $5; seen[$1] = 1 }
$2 == "kernel" { kernel = $3 }
$2 == "load" { load = $3 }

function cell(section, row, kind) {
	if (!((section, row, kind) in value))
		return "-"
	return sprintf("%d", value[section, row, kind])
}

function ratio(section, row, a, b) {
	if (!((section, row, a) in value) || !((section, row, b) in value))
		return "-"
	return sprintf("%.2f", value[section, row, a] / value[section, row, b])
}

function table(section,	i, k) {
	printf "%s, kernel %s%s\n", title[section], kernel,
		section == "wall" ? ", load " load : ""
	printf "  %-6s", ""
	for (k = 1; k <= nkinds; k++)
		printf " %11s", kinds[k]
	printf " %13s %17s\n", "direct/newprot", "npnic/veth (TCP)"
	for (i = 1; i <= nrows; i++) {
		printf "  %-6s", rows[i]
		for (k = 1; k <= nkinds; k++)
			printf " %11s", cell(section, rows[i], kinds[k])
		printf " %14s %17s\n", ratio(section, rows[i], "direct", "newproto"),
			ratio(section, rows[i], "tcp-npnic", "tcp-veth")
	}
	print ""
}

# The worst row decides.
function bar(text, section, a, b, most,	i, r, worst) {
	for (i = 1; i <= nrows; i++) {
		r = ratio(section, rows[i], a, b)
		if (r == "-")
			continue
		if (r > worst + 0)
			worst = r
	}
	if (!worst)
		return
	printf "  %-66s %5.2f  %s\n", text, worst, worst <= most ? "met" : "MISSED"
	missed += worst > most
}

END {
	if ("instructions" in seen)
		table("instructions")
	if ("wall" in seen)
		table("wall")
	print "Bars (worst row, instructions)"
	bar("direct channels: at most 1.2 times in-kernel ones", "instructions", "direct",
	    "newproto", 1.2)
	bar("TCP over a pair: no worse than over veth (1.02 is noise)", "instructions",
	    "tcp-npnic", "tcp-veth", 1.02)
	exit strict && missed
}
