#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: pairs of npnic are made, shown, refused, moved and deleted, with ip and its plug-in.
# No packet is of interest here; nic-ether.sh has those.

# shellcheck disable=SC2317,SC2119 # check calls them; and a function may have arguments

. ./nic-lib.sh

begin
hand_over

# --- made and shown ----------------------------------------------------------------------------

says() { # WORDS COMMAND...
	words=$1
	shift
	"$@" >"$work/says" 2>&1
	cat "$work/says"
	grep -qE -e "$words" "$work/says"
}

# One word of what ip shows of a link.
shown() { # DEVICE KEY
	ip -d -o link show "$1" | tee "$work/shown" | sed -n "s/.* npnic .*\\<$2 \\([^ ]*\\).*/\\1/p"
}

# The same from JSON, which has no spaces without -p.
json() { # DEVICE KEY
	ip -d -j link show "$1" | tee "$work/json" |
		sed -n "s/.*\"info_kind\":\"npnic\",\"info_data\":{[^}]*\"$2\":\"\\{0,1\\}\\([^,\"}]*\\).*/\\1/p"
}

# For people sizes are in K and M.
shows() { # DEVICE KEY VALUE [FOR PEOPLE]
	equal "$2" "$(shown "$1" "$2")" "${4:-$3}" &&
		equal "$2 in JSON" "$(json "$1" "$2")" "$3" && return
	cat "$work/shown" "$work/json"
	return 1
}

delete() {
	ip link del "$1" && no_devices
}

made_plain() {
	ip link add np0 type npnic peer name np1 && ip -d link show np0 && ip -d link show np1 &&
		[ "$(cat /sys/class/net/np0/address)" != "$(cat /sys/class/net/np1/address)" ] &&
		[ "$(cat /sys/class/net/np0/operstate)" = down ]
}

help() {
	ip link help npnic 2>&1 | tr '\n' ' ' | tee "$work/help"
	grep -q 'queues.*ring.*region.*peer' "$work/help"
}

same_fabric() {
	fabric=$(shown np0 fabric)
	equal fabric "$fabric" "$(shown np1 fabric)" && [ -n "$fabric" ]
}

slots() {
	shows np0 slot 0 && shows np1 slot 1 && shows np0 slots 2 && shows np1 slots 2
}

made_of() { # KEY VALUE NUMBER
	ip link add np0 type npnic "$1" "$2" peer name np1 && shows np0 "$1" "$3" "$2" &&
		shows np1 "$1" "$3" "$2" && delete np1
}

made_nameless() {
	ip link add type npnic && equal devices "$(ip -o link show type npnic | wc -l)" 2
	clean
	no_devices
}

made_of_all() {
	ip link add np0 address 02:00:00:00:00:10 mtu 9000 type npnic queues 2 ring 262144 \
		region 33554432 peer name np1 address 02:00:00:00:00:11 mtu 8000 &&
		shows np0 queues 2 && shows np1 ring 262144 256K && shows np1 region 33554432 32M &&
		equal address "$(cat /sys/class/net/np0/address)" 02:00:00:00:00:10 &&
		equal address "$(cat /sys/class/net/np1/address)" 02:00:00:00:00:11 &&
		equal MTU "$(cat /sys/class/net/np0/mtu)" 9000 &&
		equal MTU "$(cat /sys/class/net/np1/mtu)" 8000 && delete np0
}

# --- refused -----------------------------------------------------------------------------------

# A status that is not 0, a reason with this in it, and nothing is left.
refused() { # WORDS ARGUMENT OF ip link add np0 type npnic...
	reason=$1 left=0
	shift
	ip link add np0 type npnic "$@" >"$work/refused" 2>&1
	status=$?
	cat "$work/refused"
	echo "status $status"
	no_devices || { left=1 && clean; }
	[ "$status" != 0 ] && [ "$left" = 0 ] && grep -qiE -e "$reason" "$work/refused"
}

# The kernel's own word, from extack, for what the plug-in lets through.
refused_by_kernel() { # WORDS ARGUMENT...
	refused "$@" && grep -q '^Error: ' "$work/refused" && equal status "$status" 2
}

unchanged_by() { # ARGUMENT OF ip link set np0...
	ip link add np0 type npnic queues 2 peer name np1 || return
	fails ip link set np0 "$@" && shows np0 queues 2
	result=$?
	delete np0
	return "$result"
}

check "a pair, with nothing said" made_plain
check_long "ip -d shows its type" says '^ *npnic ' ip -d link show np0
check "ip -d -j has its type and data" says '"info_kind":"npnic","info_data":{"' ip -d -j link show np0
check "both ends show the same fabric" same_fabric
check_long "and slots 0 and 1 of 2" slots
check_long "the bus is pair" shows np0 bus pair
check_long "ip link help npnic tells of its words" help
check_long "a second pair of the same name is refused" fails ip link add np0 type npnic peer name np9
check "and a peer of the same name" fails ip link add np9 type npnic peer name np0
check "what was refused left nothing" equal devices "$(ip -o link show type npnic | wc -l)" 2
check "both go when one is deleted" delete np0

check_long "no names at all" made_nameless
check "queues 1" made_of queues 1 1
check_long "queues 3" made_of queues 3 3
check "queues 16" made_of queues 16 16
check "ring 128K" made_of ring 128K 131072
check_long "ring 4M" made_of ring 4M 4194304
check_long "region 16M" made_of region 16M 16777216
check "all attributes, and addresses and MTUs of both ends" made_of_all

check "queues 0" refused queues queues 0
check_long "queues 17" refused queues queues 17
check_long "queues of no number" refused queues queues many
check "a ring that is no power of two" refused ring ring 150000
check_long "a ring below 128 KiB" refused ring ring 65536
check_long "a ring above 4 MiB" refused ring ring 8388608
check "a region that is too small" refused_by_kernel 'region|small|least' region 65536
check_long "a region of half a page" refused region region 16779264
check "a region that queues and rings do not fit in" refused_by_kernel 'region|small|least' \
	queues 16 ring 4194304 region 16777216
check_long "a word that there is not" refused colour colour red
check_long "a word without its value" refused '' queues
check "a peer with the same name" refused '' peer name np0
check "a peer in no namespace" refused '' peer name np1 netns nowhere
check "an address of the peer that is none" refused '' peer name np1 address 01:00:00:00:00:00
check "an MTU of the peer that is none" refused '' peer name np1 mtu 70000
check "a peer that is made with fewer queues" refused_by_kernel numtxqueues queues 4 \
	peer name np1 numtxqueues 1
check "queues cannot be changed later" unchanged_by type npnic queues 4

# --- namespaces --------------------------------------------------------------------------------

made_apart() {
	ip link add np0 type npnic peer name np1 netns b && has_device b np1 &&
		ip -d link show np0 && says 'link-netns b' ip link show np0
}

other_gone() {
	ip -n b link del np1 && soon 5 no_devices
}

moved() {
	pair && namespace c && ip -n b link set np1 netns c && has_device c np1 &&
		soon 5 has_carrier a np0 0 && ip -n c addr add 10.9.0.2/24 dev np1 &&
		ip -n c link set np1 up && soon 5 has_carrier a np0 1 &&
		soon 5 has_carrier c np1 1 && pings a 10.9.0.2
}

moved_together() {
	ip -n c link set np1 netns a && has_device a np1 && ip -n a link set np1 up &&
		soon 5 has_carrier a np1 1 && ip -n a link del np1 && fails has_device a np0
}

# What the namespace takes along, its peer goes with.
dies_with_namespace() {
	pair && namespace_del b && soon 10 fails has_device a np0
}

dies_moved() {
	namespace b && ip -n a link add np0 type npnic peer name np1 &&
		ip -n a link set np1 netns b && namespace_del a && soon 10 fails has_device b np1
}

namespaces
check "the peer begins in another namespace" made_apart
check "deleted from there, both are gone" other_gone
check "an end moves to another namespace, and the link comes up again" moved
check "and joins its peer there" moved_together
check "a namespace that dies takes both ends along" dies_with_namespace
check "also if the end had come from the other" dies_moved
clean

# --- many times --------------------------------------------------------------------------------

rounds=$((50 * scale))
[ $debug = no ] || [ "$scale" -gt 1 ] || rounds=20

# Each tenth is used.
many() {
	n=0
	namespace b || return
	while [ "$n" -lt "$rounds" ]; do
		ip link add np0 type npnic queues $((n % 4 + 1)) peer name np1 netns b || return
		if [ $((n % 10)) = 0 ]; then
			ip addr add 10.9.0.1/24 dev np0
			ip -n b addr add 10.9.0.2/24 dev np1
			ip link set np0 up && ip -n b link set np1 up || return
			ping -q -c 1 -W 5 10.9.0.2 || return
		fi
		if [ $((n % 2)) = 0 ]; then
			ip link del np0 || return
		else
			ip -n b link del np1 || return
		fi
		n=$((n + 1))
	done
	namespace_del b
	no_devices
}

# Two at it.
many_side_by_side() {
	for side in x y; do
		(
			n=0
			while [ "$n" -lt $((rounds / 5)) ]; do
				ip link add "$side" type npnic peer name "${side}p" || exit
				ip link set "$side" up
				ip link set "${side}p" up
				ip link del "${side}p" || exit
				n=$((n + 1))
			done
			: >"$work/done.$side"
		) &
	done
	wait
	[ -e "$work/done.x" ] && [ -e "$work/done.y" ] && no_devices
}

at_once() {
	n=0
	while [ "$n" -lt 8 ]; do
		ip link add "m$n" type npnic queues 1 ring 131072 peer name "n$n" || return
		ip link set "m$n" up && ip link set "n$n" up || return
		n=$((n + 1))
	done
	n=0
	while [ "$n" -lt 8 ]; do
		[ "$(cat "/sys/class/net/n$n/carrier")" = 1 ] || return
		ip link del "n$n" || return
		n=$((n + 1))
	done
	no_devices
}

check "$rounds pairs, one after the other" many
check "twice $((rounds / 5)), side by side" many_side_by_side
check "8 pairs at once" at_once
clean

# --- modules -----------------------------------------------------------------------------------

order_family() {
	fails rmmod newproto && [ -e /sys/module/newproto ]
}

removes_devices() {
	ip link add np0 type npnic peer name np1 && ip link set np0 up && ip link set np1 up &&
		namespace b && ip link set np1 netns b && ip -n b link set np1 up &&
		rmmod npnic && ! has_device b np1 && fails ip link show np0
}

reloaded() {
	rmmod newproto && modprobe npnic && [ -e /sys/module/newproto ] &&
		ip -n b link add np0 type npnic peer name np1 && ip -n b link del np0
}

# The kernel asks for it by its kind.
autoloaded() {
	rmmod npnic && ip link add np0 type npnic peer name np1 && [ -e /sys/module/npnic ] &&
		ip link del np0
}

check "newproto stays while npnic is there" order_family
check "npnic is removed, and takes its devices along" removes_devices
check "newproto can be removed then, and comes back with npnic" reloaded
check "ip link add loads npnic" autoloaded
finish
