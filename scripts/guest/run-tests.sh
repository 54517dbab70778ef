#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: run test programs one after the other, each with a freshly loaded module,
# and see after each that nothing of it is left, and after all that no memory is. (A scan
# for leaks takes long; what it finds has the name of the program.) tap.awk reads what
# this prints.
#
#	run-tests.sh MODULE LIMIT PROGRAM...

module=$1 limit=$2
shift 2

# With NEWPROTO_TEST_PROTO=nic the programs make a pair of npnic devices.
over_nic() {
	[ "${NEWPROTO_TEST_PROTO:-}" = nic ]
}

NEWPROTO_KO=/lib/modules/$(uname -r)/extra/$module.ko
export NEWPROTO_KO

# A failure that a test has asked for is no complaint of the kernel's.
for verbose in /sys/kernel/debug/fail*/verbose; do
	[ ! -e "$verbose" ] || echo 0 >"$verbose"
done

# Work that close() leaves to RCU or to a worker may take a moment, but not for ever.
wait_for() {
	what=$1
	shift
	n=0
	until "$@"; do
		n=$((n + 1))
		if [ $n -ge 100 ]; then
			echo "# $what: not after 10 s"
			return 1
		fi
		usleep 100000
	done
}

references() {
	cat "/sys/module/$module/refcnt"
}

unused() {
	[ "$(references)" = 0 ]
}

no_sockets() {
	[ "$(sed 1d /proc/net/newproto/sockets | wc -l)" = 0 ]
}

# The column "sockets" of the protocols whose module is ours.
no_protocol_users() {
	awk -v module="$module" '$0 ~ " " module " " && $3 != 0 { bad = 1 } END { exit bad }' \
		/proc/net/protocols
}

# Of the counters this one goes down again, all others only grow.
no_buffers() {
	awk '$1 == "buffer_bytes" { n = $2; seen = 1 } END { exit !seen || n != 0 }' \
		/proc/net/newproto/counters
}

# Not the kernel's own, whose names are in brackets.
show_processes() {
	# shellcheck disable=SC2009 # busybox has no better pgrep
	ps | grep -v '\[' | sed 's/^/# /'
}

show_left() {
	echo "# references: $(references)"
	grep -n . /proc/net/newproto/* | sed 's/^/# /'
	grep -E " $module |^protocol" /proc/net/protocols | sed 's/^/# /'
	show_processes
}

# What a program leaves behind shall not disturb the next one. Kernel threads have no
# command line.
kill_others() {
	for p in /proc/[0-9]*; do
		p=${p#/proc/}
		case $p in
		1 | "$$") ;;
		*) [ -z "$(cat "/proc/$p/cmdline" 2>/dev/null)" ] || kill -9 "$p" 2>/dev/null ;;
		esac
	done
}

all_back() {
	wait_for "the last reference to the module dropped" unused &&
		wait_for "/proc/net/newproto/sockets empty" no_sockets &&
		wait_for "/proc/net/protocols without users" no_protocol_users &&
		wait_for "buffer_bytes in /proc/net/newproto/counters at 0" no_buffers
}

nothing_left() {
	[ -e "/sys/module/$module" ] || return 0
	! over_nic || rmmod npnic
	if all_back; then
		$last || rmmod "$module"
		return
	fi
	show_left
	kill_others
	return 1
}

# What is younger than five seconds is not reported, and the first scan only marks.
no_leaks() {
	echo scan >/sys/kernel/debug/kmemleak
	sleep 5
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >/tmp/leaks
	echo clear >/sys/kernel/debug/kmemleak
	[ ! -s /tmp/leaks ] && return 0
	sed 's/^/# /' /tmp/leaks
	return 1
}

verdict() {
	if "$@"; then
		echo "ok - $1"
	else
		echo "not ok - $1"
	fi
}

[ -w /sys/kernel/debug/kmemleak ] && echo clear >/sys/kernel/debug/kmemleak

# What sctp checks its packets with. It is found by autoload, which modload.sh switches off.
modprobe libcrc32c 2>/dev/null

last=false
for program; do
	shift
	[ $# -gt 0 ] || last=true
	echo "@@test ${program##*/}"
	echo "@@test ${program##*/}" >/dev/kmsg
	[ -e "/sys/module/$module" ] || modprobe "$module" || echo "not ok - modprobe $module"
	! over_nic || modprobe npnic || echo "not ok - modprobe npnic"
	# Of one that was killed: what is to fail is for each program to say.
	for knob in /sys/kernel/debug/fail*/probability; do
		[ ! -e "$knob" ] || echo 0 >"$knob"
	done
	start=$(cut -d. -f1 /proc/uptime)
	(cd "$(dirname "$program")" && exec timeout -k 5 "$limit" "./${program##*/}")
	status=$?
	[ $status = 143 ] && echo "# timed out after $limit s" && show_processes
	echo "@@end ${program##*/} $status $(($(cut -d. -f1 /proc/uptime) - start))"

	echo "@@test ${program##*/}.after"
	verdict nothing_left
	# The module is still there, so that addresses in it have names.
	if $last && [ -w /sys/kernel/debug/kmemleak ]; then
		verdict no_leaks
	fi
	if $last && [ -e "/sys/module/$module" ]; then
		verdict rmmod "$module"
	fi
	echo "@@end ${program##*/}.after 0 0"
done
echo "@@complete"
