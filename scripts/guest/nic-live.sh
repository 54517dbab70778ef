#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: what happens to a pair of npnic while it is used: down and up, other addresses and
# sizes, deletion, dying namespaces; more than one fabric, and a bridge between them.

# shellcheck disable=SC2317,SC2119 # check calls them; and a function may have arguments

. ./nic-lib.sh

begin
namespaces

# --- carrier -----------------------------------------------------------------------------------

link_state() { # NAMESPACE DEVICE up|down|lowerlayerdown
	soon 5 state_is "$@"
}

state_is() {
	equal operstate "$(of_device "$1" "$2" operstate)" "$3"
}

no_carrier_alone() {
	ip link add np0 netns a type npnic queues 2 peer name np1 netns b &&
		ip -n a link set np0 up && usleep 300000 && has_carrier a np0 0 &&
		ip -n a link show np0 | grep NO-CARRIER && a ethtool np0 | grep 'Link detected: no'
}

carrier_with_peer() {
	ip -n b link set np1 up && soon 5 has_carrier a np0 1 && link_state a np0 up &&
		soon 5 has_carrier b np1 1 && address_pair && pings a 10.9.0.2
}

no_carrier_shown() {
	ip -n a link show np0 | grep NO-CARRIER
}

ping_once() {
	a ping -q -c 1 -W 1 10.9.0.2
}

carrier_goes() {
	ip -n b link set np1 down && soon 5 has_carrier a np0 0 && soon 5 no_carrier_shown &&
		fails ping_once
}

carrier_comes() {
	ip -n b link set np1 up && soon 5 has_carrier a np0 1 && pings a 10.9.0.2
}

# How often it has changed is counted by the kernel; nobody is told of a change that was none.
carrier_flaps() {
	before=$(of_device a np0 carrier_changes)
	n=0
	while [ "$n" -lt 5 ]; do
		ip -n b link set np1 down && soon 5 has_carrier a np0 0 || return
		ip -n b link set np1 up && soon 5 has_carrier a np0 1 || return
		n=$((n + 1))
	done
	equal changes $(($(of_device a np0 carrier_changes) - before)) 10 && pings a 10.9.0.2
}

check "no carrier while the peer is down" no_carrier_alone
check "carrier when both are up" carrier_with_peer
check "the peer goes down: NO-CARRIER" carrier_goes
check "the peer comes up: the link, too" carrier_comes
check "five times, and each is counted" carrier_flaps

# --- under traffic -----------------------------------------------------------------------------

still() { # COMMAND...
	traffic -P 2 || return
	"$@" && soon 10 moves a np0
	result=$?
	traffic_end
	[ "$result" = 0 ] && pings a 10.9.0.2
}

address_changes() {
	ip -n b link set np1 address 02:00:00:00:00:77 && equal address \
		"$(of_device b np1 address)" 02:00:00:00:00:77 &&
		ip -n a neigh flush dev np0 && pings a 10.9.0.2 &&
		ip -n a neigh show | grep 'lladdr 02:00:00:00:00:77' &&
		ip -n a link set np0 address 02:00:00:00:00:78 && ip -n b neigh flush dev np1 &&
		pings b 10.9.0.1 && fails ip -n a link set np0 address 01:00:00:00:00:01 &&
		fails ip -n a link set np0 address 00:00:00:00:00:00
}

rounds=$((2 * scale))

down_up() {
	n=0
	while [ "$n" -lt "$rounds" ]; do
		ip -n a link set np0 down && ip -n a link set np0 up &&
			soon 5 has_carrier a np0 1 && usleep 100000 &&
			ip -n b link set np1 down && usleep 100000 &&
			ip -n b link set np1 up && soon 5 has_carrier a np0 1 || return
		n=$((n + 1))
	done
}

mtu_changes() {
	n=0
	while [ "$n" -lt "$rounds" ]; do
		for mtu in 9000 1280 65521 1500; do
			ip -n a link set np0 mtu "$mtu" && usleep 50000 &&
				ip -n b link set np1 mtu "$mtu" && usleep 50000 || return
		done
		n=$((n + 1))
	done
}

channel_changes() {
	n=0
	while [ "$n" -lt "$rounds" ]; do
		a ethtool -L np0 combined 1 && usleep 50000 && a ethtool -L np0 combined 2 &&
			b ethtool -L np1 combined 1 && usleep 50000 &&
			b ethtool -L np1 combined 2 || return
		n=$((n + 1))
	done
}

offload_changes() {
	n=0
	while [ "$n" -lt "$rounds" ]; do
		for state in off on; do
			a ethtool -K np0 tso "$state" gso "$state" gro "$state" || return
			b ethtool -K np1 tx "$state" || return
		done
		n=$((n + 1))
	done
	b ethtool -K np1 tso on
	true
}

promiscuous() {
	ip -n a link set np0 promisc on && ip -n b link set np1 allmulticast on &&
		usleep 100000 && ip -n a link set np0 promisc off && ip -n b link set np1 allmulticast off
}

# Bytes of one transfer, through all of it: nothing may be wrong in what TCP puts together.
copy_through() {
	down_up >"$work/down_up" 2>&1 &
	disturber=$!
	copy_both_ways $((4 * scale))
	result=$?
	wait "$disturber" && return "$result"
}

deleted() { # COMMAND...
	traffic -P 2 -R || return
	"$@" && soon 5 fails has_device a np0 && soon 5 fails has_device b np1
	result=$?
	traffic_end
	return "$result"
}

made_again() {
	pair queues 2 && pings a 10.9.0.2
}

namespace_dies() {
	ip netns pids b | xargs -r kill -9
	namespace_del b
}

check "addresses change under traffic" still address_changes
check "down and up, $rounds times, under traffic" still down_up
check "MTUs change, $rounds times, under traffic" still mtu_changes
check "channels change, $rounds times, under traffic" still channel_changes
check "offloads change, $rounds times, under traffic" still offload_changes
check "promiscuous, and back, under traffic" still promiscuous
check "down and up: what TCP delivers is right" copy_through
check "deleted under traffic" deleted ip -n a link del np0
check "made again" made_again
check "deleted under traffic from the other end" deleted ip -n b link del np1
check "made again" made_again
traffic -P 2
check "a namespace is deleted under traffic" namespace_dies
check "and both ends are gone" soon 20 fails has_device a np0
traffic_end
namespace b
check "made again" made_again

removed_under_traffic() {
	traffic -P 2 || return
	rmmod npnic && ! has_device a np0 && ! has_device b np1
	result=$?
	traffic_end
	modprobe npnic && return "$result"
}

check "the driver is removed under traffic" removed_under_traffic
clean

# --- more than one -----------------------------------------------------------------------------

# Two fabrics know nothing of each other.
two_pairs() {
	namespaces && pair queues 2 &&
		ip link add np2 netns a type npnic peer name np3 netns b &&
		ip -n a addr add 10.9.1.1/24 dev np2 && ip -n b addr add 10.9.1.2/24 dev np3 &&
		ip -n a link set np2 up && ip -n b link set np3 up && soon 5 has_carrier a np2 1 &&
		pings a 10.9.0.2 && pings a 10.9.1.2 && pings b 10.9.1.1
}

both_at_once() {
	copy a b 10.9.0.2 4 >"$work/first" 2>&1 &
	first=$!
	copy_port=8000
	mv "$work/copied" "$work/copied.first" 2>/dev/null
	ip -n b link set np1 down && ip -n b link set np1 up
	pings b 10.9.1.1 && wait "$first"
}

fabrics_differ() {
	[ "$(ip -n a -d link show np0 | grep -o 'fabric [^ ]*')" != \
		"$(ip -n a -d link show np2 | grep -o 'fabric [^ ]*')" ]
}

check "two pairs at once" two_pairs
check "of two fabrics" fabrics_differ
check "one is used while the other goes down and up" both_at_once
clean

# a - bridge - b, by two pairs. Each fabric has addresses behind it that are none of its slots'.
bridged() {
	namespaces && ip link add br0 type bridge && ip link set br0 up &&
		ip link add np0 netns a type npnic peer name np2 &&
		ip link add np1 netns b type npnic peer name np3 &&
		ip link set np2 master br0 up && ip link set np3 master br0 up && address_pair &&
		soon 10 pings a 10.9.0.2
}

# What no slot has as its address goes to all of them.
flooded() {
	ip -n a neigh replace 10.9.0.2 lladdr "$(of_device b np1 address)" dev np0 nud permanent &&
		ip -n b neigh replace 10.9.0.1 lladdr "$(of_device a np0 address)" dev np1 nud permanent &&
		bridge fdb flush dev np2 2>/dev/null
	pings a 10.9.0.2 && pings b 10.9.0.1
}

bridge_goes() {
	ip link del br0 && ip -n a link del np0 && ip -n b link del np1 && no_devices
}

# Two bridges, joined twice: what is sent to all goes round until it is dropped. Nothing else
# stands still for that, nor does it keep anything from being deleted.
looped() {
	ip link add br0 address 02:00:00:00:00:20 type bridge && ip link add br1 type bridge &&
		ip addr add 10.9.2.1/24 dev br0 || return
	for n in 0 2; do
		ip link add "np$n" type npnic peer name "np$((n + 1))" &&
			ip link set "np$n" master br0 up && ip link set "np$((n + 1))" master br1 up ||
			return
	done
	ip link set br0 up && ip link set br1 up && soon 5 forwards
}

forwards() {
	[ "$(bridge link show | grep -c 'state forwarding')" = 4 ]
}

goes_round() {
	ping -q -c 1 -W 1 10.9.2.77
	packets=$(cat /sys/class/net/np0/statistics/rx_packets)
	sleep 1
	packets=$(($(cat /sys/class/net/np0/statistics/rx_packets) - packets))
	echo "$packets packets in a second"
	[ "$packets" -gt 100 ]
}

loop_goes() {
	ip link del np0 && ip link del np3 && ip link del br0 && ip link del br1 && no_devices
}

if modprobe bridge 2>/dev/null; then
	check "a bridge between two fabrics" bridged
	check "addresses behind it are reached" flooded
	check "bulk through the bridge" copy_both_ways 2
	check "all of it goes" bridge_goes
	check "two bridges, joined by two fabrics: a loop" looped
	check "a packet goes round in it" goes_round
	check "the loop goes" loop_goes
else
	skip "a bridge between two fabrics" "this kernel has no bridge"
fi
finish
