# SPDX-License-Identifier: GPL-2.0-only
#
# tap.awk: read the TAP of the test programs, or the KTAP of KUnit modules, between the
# lines "@@test NAME" and "@@end NAME STATUS SECONDS" of the guest scripts, and print
#
#	pass|fail|skip GROUP NAME.TEST
#
# for each test, to stdout; the output of those that failed goes to the file DETAILS.
# Variables: group (a word before every name), details (a file), indent (the number of
# blanks before a result that counts: 0 for TAP, 4 for KUnit's cases).
# What did not run has failed: a program that ends before its plan is fulfilled or with
# a bad status, and a guest that did not come to "@@complete".

# The output of a test that failed: of a long one the beginning and the end.
function show(test,    i) {
	print "--- " group ": " name (test == "" ? "" : "." test) >details
	for (i = 1; i <= lines; i++) {
		if (i == 41 && lines > 80) {
			print "    [" lines - 80 " lines left out]" >details
			i = lines - 39
		}
		print line_of[i] >details
	}
}

function result(verdict, test) {
	print verdict, group, name (test == "" ? "" : "." test)
	seen++
	if (verdict == "fail") {
		failed++
		show(test)
	}
	lines = 0
}

function finish(status) {
	if (name == "")
		return
	if (suite != "")
		result("fail", suite " (did not end)")
	else if (planned >= 0 && seen != planned)
		result("fail", "(" seen " of " planned " tests ran, exit status " status ")")
	else if (status != 0 && !failed && status != 4)
		result("fail", "(exit status " status ")")
	else if (seen == 0)
		result(status == 4 ? "skip" : "fail", "(no test ran)")
	name = suite = test = ""
	lines = 0
}

BEGIN {
	planned = -1
	if (indent == "")
		indent = 0
	at = sprintf("%" indent "s", "")
}

{
	sub(/\r$/, "")
	sub(/^\[ *[0-9]+\.[0-9]+\]( \[ *[TC][0-9]+\])? /, "")
}

/^@@test / {
	finish(1)
	name = $2
	planned = -1
	seen = failed = 0
	suite = ""
	lines = 0
	tests_begun++
	next
}

/^@@end / && name != "" {
	finish($3)
	if ($4 + 0 > 0)
		print "time", group, $2, $4
	next
}

/^@@complete/ {
	complete = 1
	next
}

name == "" { next }

{ line_of[++lines] = $0 }

# The harness of 6.1 does not repeat the name of a test that it skips.
/^#  RUN / { test = $3 }

# KUnit: the suite's name, and its result at the margin.
indent > 0 && /^ *# Subtest: / && index($0, at "#") == 1 {
	suite = $NF
	next
}

indent > 0 && /^(not )?ok [0-9]+ / && suite != "" {
	if ($1 == "not" && !failed)
		result("fail", suite)
	suite = ""
	next
}

# A plan for each program that was run, one after the other.
indent == 0 && /^1\.\.[0-9]+/ {
	planned = (planned < 0 ? 0 : planned) + substr($1, 4)
	next
}

/^ *(not )?ok [0-9-]/ && (substr($0, 1, indent + 1) == at "o" || \
			  substr($0, 1, indent + 1) == at "n" || /^(not )?ok - /) {
	line = $0
	verdict = line ~ /^ *not ok/ ? "fail" : "pass"
	sub(/^ *(not )?ok [0-9-]*( - | )?/, "", line)
	if (line ~ /# *SKIP/) {
		if (line ~ /^#/)
			line = test " " line
		if (verdict == "pass")
			verdict = "skip"
	}
	result(verdict, suite == "" ? line : suite "." line)
}

END {
	finish(1)
	if (!complete) {
		name = "guest"
		result("fail", "(did not run to the end)")
	} else if (!tests_begun) {
		name = "guest"
		result("fail", "(ran no test)")
	}
}
