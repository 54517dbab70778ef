#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In each of three guests of vms.sh: the third writes into the fabric what it should not. The first
# tests, and tells the others what to do.

# shellcheck disable=SC2317 # check calls them

. ./nic-vm.sh

scribble=/test/fabric_scribble
port=4321

# Whom others ask, as long as it runs; and asking.
answer() {
	"$scribble" serve "$dev" "10.8.0.$NP_VM" $port >/dev/null 2>&1 &
}

ask() { # MACHINE
	timeout 20 "$scribble" ask "$dev" "10.8.0.$1" $port
}

scribbles() { # own|any SECONDS
	"$scribble" "$1" "$(readlink -f "/sys/class/net/$dev/device")" "$2" "$2"
}

# Of those that write, and of those that are written to, nobody is left.
at_rest() {
	: >$work/rest
	killall fabric_scribble ping 2>/dev/null
	soon 5 fails pidof fabric_scribble
}

within() { # SECONDS COMMAND...
	until_then=$(($(date +%s) + $1))
	shift
	until "$@" >$work/tried 2>&1; do
		[ "$(date +%s)" -le $until_then ] && continue
		cat $work/tried
		echo "not in time: $*"
		return 1
	done
}

knock() { # MACHINE
	ping -q -c 1 -W 1 "10.8.0.$1"
}

# Programs that wait for what may never come.
wait_for() { # MACHINE
	while [ ! -e $work/rest ]; do
		ask "$1"
	done >/dev/null 2>&1 &
	ping -q -i 0.05 -W 1 "10.8.0.$1" >/dev/null 2>&1 &
}

# Was the third cut off for what it has written?
named() {
	ethtool -S "$dev" | grep -E 'down_(bad|family|reset)' | tee $work/named
	grep -E 'down_(bad_.*|family): [1-9]' $work/named
}

if [ "$NP_VM" != 1 ]; then
	serve
	exit 1
fi

all_join() {
	modprobe npnic && npnic_up && awake 2 && on 2 joined && awake 3 && on 3 joined &&
		soon 20 peers_up_are 2 && knock 2 && knock 3 && on 2 answer && on 3 answer
}

# --- in its own area ---------------------------------------------------------------------------

# As long as the third one writes the first and the second have each other.
go_on() {
	on 3 scribbles own "$seconds" >$work/scribbled 2>&1 &
	writer=$!
	good=0 bad=0
	while kill -0 $writer 2>/dev/null; do
		if knock 2 && ask 2; then
			good=$((good + 1))
		else
			bad=$((bad + 1))
		fi
	done
	wait $writer
	cat $work/scribbled
	echo "good: $good, bad: $bad"
	[ $good -gt 0 ] && [ $bad = 0 ]
}

both_name() {
	named && on 2 named
}

# --- anywhere ----------------------------------------------------------------------------------

anywhere() {
	wait_for 2
	on 2 wait_for 1
	on 3 scribbles any "$seconds"
}

back() {
	within 5 knock 2 && within 5 knock 3 && within 5 ask 2
}

back_elsewhere() {
	on 2 within 5 knock 3 && on 2 within 5 ask 1 && on 3 within 5 ask 2
}

ends() {
	on 2 at_rest && on 3 at_rest && at_rest
}

seconds=$((6 * scale))
echo "@@test hostile"
check "three machines: each reaches the others" all_join
answer
check "connections over the fabric" ask 2
check "one writes what cannot be into its own area: the others go on" go_on
check "and cut it off for a reason that has a name" both_name
check "it comes back when it stops" within 5 knock 3
check "it writes anything anywhere" anywhere
check "5 seconds later all is as before" back
check "for the others, too" back_elsewhere
check "every program that waits can be ended" ends
check "the third leaves" on 3 leave
check "the second leaves" on 2 leave
check "npnic is removed" rmmod npnic
echo "1..$number"
echo "@@end hostile 0 $(cut -d. -f1 /proc/uptime)"
