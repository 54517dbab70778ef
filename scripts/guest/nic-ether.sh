#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: npnic as an Ethernet device, on a pair whose ends are in two namespaces.

# shellcheck disable=SC2317,SC2119 # check calls them; and a function may have arguments

. ./nic-lib.sh

begin
namespaces
check "a pair of two queues in two namespaces" pair queues 2

# --- packets -----------------------------------------------------------------------------------

linklocal() { # NAMESPACE DEVICE
	ip -n "$1" -6 -o addr show dev "$2" scope link |
		sed -n 's/.*inet6 \([^/]*\).*/\1/p'
}

# Duplicate address detection is over, and has found none.
own_address() { # NAMESPACE DEVICE
	[ -n "$(linklocal "$1" "$2")" ] &&
		! ip -n "$1" -6 addr show dev "$2" | grep -E 'tentative|dadfailed'
}

neighbour() {
	ip -n a neigh show | grep "^10.9.0.2 .*lladdr $(of_device b np1 address)"
}

autoconfigured() {
	soon 10 own_address a np0 && soon 10 own_address b np1
}

detected() {
	ip -n b -6 addr show dev np1 | grep dadfailed
}

# The second of the same address is found out, by packets that come through.
duplicate() {
	ip -n a addr add fd09::1/64 dev np0 nodad && ip -n b addr add fd09::1/64 dev np1 &&
		soon 10 detected
	result=$?
	ip -n a addr del fd09::1/64 dev np0
	ip -n b addr del fd09::1/64 dev np1
	return "$result"
}

broadcast() {
	b sh -c 'echo 0 >/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts' &&
		pings a -b 10.9.0.255
}

lengths() {
	for n in 0 1 17 18 19 1471 1472 1473 4000 20000; do
		a ping -q -c 1 -W 3 -s "$n" 10.9.0.2 || return
	done
}

check "ping over IPv4" pings a 10.9.0.2
check "ARP has found the other's address" neighbour
check "ping the other way" pings b 10.9.0.1
check "IPv6 configures itself" autoconfigured
check "ping over IPv6, link-local" pings a "$(linklocal b np1)%np0"
check "a duplicate address is detected" duplicate
check "multicast" pings a -I np0 ff02::1
check "broadcast" broadcast
check "an address that is not there" fails a ping -q -c 1 -W 1 10.9.0.77
check "a packet of 65,507 bytes in fragments" pings a -s 65500 10.9.0.2
check "and of other lengths" lengths

# --- MTU ---------------------------------------------------------------------------------------

# A packet of just the MTU goes, one of a byte more does not, unless in fragments.
mtu() { # MTU
	both_mtu "$1" && soon 5 has_carrier a np0 1 && pings a -M "do" -s $(($1 - 28)) 10.9.0.2 &&
		pings b -M "do" -s $(($1 - 28)) 10.9.0.1 || return
	[ "$1" -gt 60000 ] || pings a -s $(($1 - 27)) 10.9.0.2 || return
	fails a ping -q -c 1 -W 1 -M "do" -s $(($1 - 27)) 10.9.0.2
}

# The small one is made so here; what becomes of larger packets is the next test's.
unequal() {
	ip -n b link set np1 mtu 1500 && pings a -s 1000 10.9.0.2
}

# What an end cannot take is lost, and nothing else is. (Rings take it: there is no wire.)
too_large() {
	a ping -q -c 2 -i 0.1 -W 1 -M "do" -s 5000 10.9.0.2
	pings a -s 1000 10.9.0.2 && pings b 10.9.0.1
}

for n in 68 1280 9000 65521; do
	check "MTU $n" mtu $n
done
for n in 67 65522 0; do
	check "MTU $n is refused" fails ip -n a link set np0 mtu $n
done
check "a large MTU here, a small one there" unequal
check "and what is too large for the other" too_large
check "MTU 1500 again" mtu 1500

# --- streams -----------------------------------------------------------------------------------

size=$((2 * scale))
[ $debug = no ] || size=$scale
copy_v6() {
	copy a b "[$(linklocal b np1)%np0]" "$size"
}

offload() { # on|off FEATURE...
	state=$1
	shift
	for feature; do
		a ethtool -K np0 "$feature" "$state" && b ethtool -K np1 "$feature" "$state" || return
	done
}

copy_without() { # FEATURE...
	offload off "$@" && copy_both_ways "$size"
	result=$?
	offload on "$@" && return "$result"
}

copy_one_sided() {
	a ethtool -K np0 tx off && a ethtool -K np0 gro off && copy_both_ways "$size"
	result=$?
	a ethtool -K np0 tx on && a ethtool -K np0 gro on && a ethtool -K np0 tso on && return "$result"
}

# Segmentation is put off as far as the other end: frames are larger than the MTU.
large_frames() {
	packets=$(of_device a np0 statistics/tx_packets)
	bytes=$(of_device a np0 statistics/tx_bytes)
	copy a b 10.9.0.2 "$size" || return
	packets=$(($(of_device a np0 statistics/tx_packets) - packets))
	bytes=$(($(of_device a np0 statistics/tx_bytes) - bytes))
	echo "$bytes bytes in $packets packets"
	[ "$bytes" -gt $((size * 1048576)) ] && [ "$bytes" -gt $((packets * 1600)) ]
}

iperf() { # ARGUMENT...
	iperf_end
	iperf_server b && a timeout 60 /programs/bin/iperf3 -c 10.9.0.2 -t 1 "$@"
	result=$?
	iperf_end
	return "$result"
}

errors() {
	for name in rx_errors tx_errors rx_crc_errors rx_frame_errors; do
		for end in "a np0" "b np1"; do
			# shellcheck disable=SC2086 # two words
			equal "$end $name" "$(of_device $end statistics/$name)" 0 || return
		done
	done
}

check "$size MiB over TCP, both ways" copy_both_ways "$size"
check_long "and over IPv6" copy_v6
check "in frames larger than the MTU" large_frames
check_long "without TSO" copy_without tso
check_long "without GSO and TSO" copy_without gso tso
check_long "without checksum offload" copy_without tx
check "without scatter-gather" copy_without sg
check_long "without GRO" copy_without gro
check "without any of them" copy_without tx sg gso tso gro
check_long "without on one side only" copy_one_sided
both_mtu 9000
check_long "$size MiB with MTU 9000" copy_both_ways "$size"
both_mtu 65521
check "$size MiB with MTU 65521" copy_both_ways "$size"
both_mtu 1500
check "iperf3" iperf
check_long "iperf3 the other way" iperf -R
check "iperf3 both ways at once" iperf --bidir
check_long "iperf3 with datagrams" iperf -u -b 20M
check "iperf3 with datagrams in fragments" iperf -u -b 50M -l 20000
check "no errors were counted" errors

# --- queues ------------------------------------------------------------------------------------

queues_used() { # NAMESPACE DEVICE tx|rx
	inside "$1" ethtool -S "$2" |
		awk -v way="$3" '$1 ~ way "_packets" && $1 ~ /[0-9]/ && $2 > 20 { n++ } END { print n + 0 }'
}

several_queues() {
	iperf -P 8 >/dev/null || return
	a ethtool -S np0
	[ "$(queues_used a np0 tx)" -gt 1 ] && [ "$(queues_used b np1 rx)" -gt 1 ]
}

channels() { # NUMBER
	a ethtool -L np0 combined "$1" && a ethtool -l np0 &&
		equal channels "$(a ethtool -l np0 | awk '/^Combined/ { n = $2 } END { print n }')" "$1" &&
		pings a 10.9.0.2 && copy_both_ways 1
}

recreate() { # ATTRIBUTE...
	ip -n a link del np0 && pair "$@"
}

# Rings are rung, packets are not: not once for each, if there are many.
few_doorbells() {
	doorbells=$(counter a np0 doorbells)
	packets=$(of_device a np0 statistics/tx_packets)
	iperf "$@" >/dev/null || return
	doorbells=$(($(counter a np0 doorbells) - doorbells))
	packets=$(($(of_device a np0 statistics/tx_packets) - packets))
	echo "$doorbells doorbells, $packets packets"
	[ "$doorbells" -gt 0 ] && [ "$packets" -gt 100 ] && [ "$doorbells" -lt "$packets" ]
}

check_rings "flows go by several queues" several_queues
check "one channel" channels 1
check "two channels" channels 2
check "no channels are refused" fails a ethtool -L np0 combined 0
check "more than it has are refused" fails a ethtool -L np0 combined 3
check_rings "fewer doorbells than packets" few_doorbells -P 4
check "a pair of four queues" recreate queues 4
check_long "with all four" copy_both_ways "$size"
check_rings "flows go by several of them" several_queues

# --- ethtool -----------------------------------------------------------------------------------

ethtool_says() { # WORDS ARGUMENT...
	words=$1
	shift
	a ethtool "$@" >"$work/ethtool" 2>&1
	cat "$work/ethtool"
	grep -qiE -e "$words" "$work/ethtool"
}

ring_size() {
	a ethtool -g np0 && equal RX "$(a ethtool -g np0 | awk '/^RX:/ { n = $2 } END { print n }')" \
		"$(ip -n a -d -j link show np0 | sed 's/.*"ring":\([0-9]*\).*/\1/')"
}

check "ethtool: the link is detected" ethtool_says 'link detected: yes' np0
check "ethtool -i: the driver" ethtool_says '^driver: npnic' -i np0
check "ethtool -S: doorbells" ethtool_says 'doorbells' -S np0
check "ethtool -g: the ring's size" ring_size
check "ethtool -G: cannot be changed" fails a ethtool -G np0 rx 1048576
check "ethtool -k: offloads are on" ethtool_says '^tcp-segmentation-offload: on' -k np0
check "ethtool -T" ethtool_says 'software-' -T np0

# --- what is counted ---------------------------------------------------------------------------

counted() { # FILE IN statistics
	echo "$(of_device a np0 statistics/tx_"$1") $(of_device a np0 statistics/rx_"$1")" \
		"$(of_device b np1 statistics/tx_"$1") $(of_device b np1 statistics/rx_"$1")"
}

difference() { # BEFORE AFTER
	echo "$1 $2" | awk '{ print $5 - $1, $6 - $2, $7 - $3, $8 - $4 }'
}

# 100 each way, of 1,000 bytes and three headers.
exact() {
	quiet a && quiet b &&
		ip -n a neigh replace 10.9.0.2 lladdr "$(of_device b np1 address)" dev np0 nud permanent &&
		ip -n b neigh replace 10.9.0.1 lladdr "$(of_device a np0 address)" dev np1 nud permanent ||
		return
	usleep 300000
	packets=$(counted packets) bytes=$(counted bytes)
	a ping -q -i 0.01 -c 100 -s 1000 -W 5 10.9.0.2 || return
	n=1042
	equal packets "$(difference "$packets" "$(counted packets)")" "100 100 100 100" &&
		equal bytes "$(difference "$bytes" "$(counted bytes)")" \
			"${n}00 ${n}00 ${n}00 ${n}00"
}

# ip and ethtool say what the files say.
same_numbers() {
	n=$(of_device a np0 statistics/tx_packets)
	ip -n a -s link show np0
	ip -n a -s -o link show np0 | grep -q " TX: .* $n "
}

same_queues() {
	equal "the queues' sum" "$(counter a np0 tx_packets)" \
		"$(of_device a np0 statistics/tx_packets)"
}

check "packets and bytes are counted exactly" exact
check "the same by ip and files" same_numbers
check_rings "and by ethtool, for each queue" same_queues

# --- both ways of sending ----------------------------------------------------------------------

again_too_large() {
	ip -n a link set np0 mtu 9000 && too_large
}

if [ "$rings" = Y ]; then
	hand_over
	check "a pair that hands frames over" recreate
	check "$size MiB over it, both ways" copy_both_ways "$size"
	check "packets and bytes are counted exactly, too" exact
	check "what is too large for the other end" again_too_large
fi
finish
