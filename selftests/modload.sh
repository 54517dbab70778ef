#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Loading and unloading: no other socket() call changes its result, a module in use cannot
# be removed, nothing is left after many rounds. Needs root and NEWPROTO_KO, the module's
# file; loads and unloads it, and leaves it as it was found.

module=newproto
family=18
protocol=258
scale=${NEWPROTO_TEST_SCALE:-1}
here=$(dirname "$0")
work=$(mktemp -d) || exit 1
number=0
failed=0

skip_all() {
	echo "1..0 # SKIP $1"
	rmdir "$work"
	exit 4
}

[ "$(id -u)" = 0 ] || skip_all "root only"
[ "${NEWPROTO_TEST_PROTO:-}" != tcp ] || skip_all "TCP is no module"
[ -f "${NEWPROTO_KO:-}" ] || skip_all "NEWPROTO_KO does not name the module"

loaded() {
	[ -d /sys/module/$module ]
}

was_loaded=no
! loaded || was_loaded=yes
modprobe_path=$(cat /proc/sys/kernel/modprobe)

# Without a program to call, a request for an unknown protocol costs nothing.
autoload() {
	if [ "$1" = on ]; then
		echo "$modprobe_path" >/proc/sys/kernel/modprobe
	else
		echo >/proc/sys/kernel/modprobe
	fi
}

# shellcheck disable=SC2317 # the trap calls it
cleanup() {
	autoload on
	if [ "$was_loaded" = yes ]; then
		loaded || insmod "$NEWPROTO_KO"
	else
		! loaded || rmmod "$module"
	fi
	rm -rf "$work"
}
trap cleanup EXIT

# result WORDS...: the status of the command before it is the test's.
result() {
	status=$?
	number=$((number + 1))
	if [ $status = 0 ]; then
		echo "ok $number $*"
	else
		echo "not ok $number $*"
		failed=1
	fi
}

# The last reference may go a moment after close(), by way of RCU.
unload() {
	tries=0
	until rmmod "$module" 2>"$work/rmmod"; do
		tries=$((tries + 1))
		if [ $tries -ge 100 ]; then
			sed 's/^/# /' "$work/rmmod"
			return 1
		fi
		usleep 50000 2>/dev/null || sleep 1
	done
}

socket_says() {
	"$here/socketmap" "$@" | cut -d ' ' -f 4
}

# All but the family's own number and its protocol.
map() {
	"$here/socketmap" | grep -v "^$family " | grep -v "^[0-9]* [0-9]* $protocol " >"$work/$1"
	[ "$(wc -l <"$work/$1")" -gt 80000 ]
}

same_map() {
	cmp -s "$work/$1" "$work/$2" && return 0
	diff "$work/$1" "$work/$2" | head -n 20 | sed 's/^/# /'
	return 1
}

# sctp stays: its own control socket holds it. So it is loaded after newproto first.
test_maps() {
	map none && insmod "$NEWPROTO_KO" && map newproto && same_map none newproto
	result "loading changes no other socket() call"
	if ! modprobe sctp 2>/dev/null; then
		number=$((number + 1))
		echo "ok $number # SKIP no sctp"
		unload
		return
	fi
	map late && unload && map sctp && same_map sctp late
	result "nor is it in sctp's way, which comes later"
	insmod "$NEWPROTO_KO" && map both && same_map sctp both
	result "nor when sctp was there before"
	unload
}

# 1,000 times in the long run, fewer where that takes too long. A socket of another door is
# used each time.
test_rounds() {
	"$here/modcycle" "$NEWPROTO_KO" $module $family $((100 * scale)) $((45 * scale))
	result "loaded, used and unloaded up to $((100 * scale)) times"
	! loaded || unload
}

# hold ARGUMENTS...: a process with a socket, until release.
hold() {
	mkfifo "$work/in" "$work/out"
	"$here/socketmap" "$@" hold <"$work/in" >"$work/out" &
	holder=$!
	exec 8>"$work/in"
	read -r said <"$work/out"
	echo "# held: $said"
}

release() {
	exec 8>&-
	wait $holder
	rm -f "$work/in" "$work/out"
}

test_in_use() {
	insmod "$NEWPROTO_KO" || return
	for door in "$family 1 0" "2 1 $protocol" "10 1 $protocol"; do
		# shellcheck disable=SC2086 # three arguments
		hold $door
		! rmmod $module 2>/dev/null && loaded
		result "not removed while a socket exists ($door)"
		release
		unload
		result "removed when it is closed"
		insmod "$NEWPROTO_KO"
	done
	unload
}

test_family() {
	insmod "$NEWPROTO_KO" family=22 && [ "$(socket_says 22 1 0)" = 0 ] &&
		[ "$(socket_says $family 1 0)" = 97 ] && [ "$(socket_says 2 1 $protocol)" = 0 ] &&
		[ "$(cat /sys/module/$module/parameters/family)" = 22 ]
	result "family=22"
	unload
	for bad in 0 2 10 46 -1 1000; do
		! insmod "$NEWPROTO_KO" family=$bad 2>/dev/null && ! loaded
		result "family=$bad is refused"
	done
	[ "$(socket_says 2 1 $protocol)" = 93 ] && [ "$(socket_says 10 1 $protocol)" = 93 ]
	result "a refused module leaves nothing registered"
}

has_alias() {
	tr '\0' '\n' <"$NEWPROTO_KO" | grep -qx "alias=$1"
}

test_autoload() {
	for alias in net-pf-$family net-pf-2-proto-$protocol-type-1 \
		net-pf-10-proto-$protocol-type-1; do
		has_alias "$alias"
		result "alias $alias"
	done

	autoload on
	if ! modprobe $module 2>/dev/null; then
		number=$((number + 1))
		echo "ok $number # SKIP the module is not installed, modprobe cannot find it"
		autoload off
		return
	fi
	for door in "$family 1 0" "2 1 $protocol" "10 1 $protocol"; do
		unload
		# shellcheck disable=SC2086 # three arguments
		[ "$(socket_says $door)" = 0 ] && loaded
		result "the first socket() loads it ($door)"
	done
	unload
	autoload off
}

echo "TAP version 13"
! loaded || unload || exit 1
autoload off
test_maps
test_rounds
test_in_use
test_family
test_autoload
echo "1..$number"
exit $failed
