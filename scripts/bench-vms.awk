# SPDX-License-Identifier: GPL-2.0-only
#
# The report of "bench.sh --vms": two virtual machines, and which bars are met. A figure is round
# trips a second, MB/s, or doorbells for each message that the client has sent.

BEGIN {
	FS = "\t"
	nkinds = split("virtio npnic newproto", kinds, " ")
	split("TCP, virtio-net|TCP, npnic|AF_NEWPROTO, npnic", heads, "|")
	nrows = split("pp64 pp4k ow1k ow64k", rows, " ")
	title["pp64"] = "ping-pong 64 B, round trips/s"
	title["pp4k"] = "ping-pong 4 KiB, round trips/s"
	title["ow1k"] = "bulk, writes of 1 KiB, MB/s"
	title["ow64k"] = "bulk, writes of 64 KiB, MB/s"
}

$2 == "vms" { value[$3, $4] = $5; seen = 1 }
$2 == "kernel" { kernel = $3 }
$2 == "load" { load = $3 }

function line(name, prefix, row, digits,	k, s) {
	s = sprintf("  %-34s", name)
	for (k = 1; k <= nkinds; k++)
		s = s sprintf(" %18s", (prefix row, kinds[k]) in value ? \
			      sprintf("%.*f", digits, value[prefix row, kinds[k]]) : "-")
	print s
}

function bar(row, a, b, names,	r, ok) {
	r = "-"
	ok = "?"
	if ((row, a) in value && (row, b) in value && value[row, b] > 0) {
		r = sprintf("%.2f", value[row, a] / value[row, b])
		ok = value[row, a] > value[row, b] ? "PASS" : "FAIL"
	}
	printf "%-5s %-66s %5s\n", ok, names ", " title[row], r
	missed += ok == "FAIL"
	unknown += ok == "?"
}

function bars(row) {
	bar(row, "npnic", "virtio", "TCP: npnic ahead of virtio-net")
	bar(row, "newproto", "npnic", "AF_NEWPROTO ahead of TCP, npnic")
}

END {
	if (!seen) {
		print "two virtual machines: nothing was measured"
		exit 1
	}
	printf "\nTwo virtual machines, Linux %s (one CPU each; QEMU %s; this machine's load was %s)\n",
	       kernel, accel, load
	printf "  %-34s", ""
	for (k = 1; k <= nkinds; k++)
		printf " %18s", heads[k]
	print ""
	for (i = 1; i <= nrows; i++)
		line(title[rows[i]], "", rows[i], rows[i] ~ /^ow/ ? 1 : 0)
	print "  doorbells for each message"
	for (i = 1; i <= nrows; i++) {
		name = title[rows[i]]
		sub(/, [^,]*\/s$/, "", name)
		line("  " name, "bell", rows[i], 3)
	}
	print "Bars (two virtual machines, wall clock)"
	bars("pp64")
	bars("pp4k")
	bars("ow64k")
	exit (unknown || (strict && missed)) ? 1 : 0
}
