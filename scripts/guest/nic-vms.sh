#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In each of three guests of vms.sh: npnic between machines. The first tests, and tells the others
# what to do.

# shellcheck disable=SC2317 # check calls them

. ./nic-vm.sh

if [ "$NP_VM" != 1 ]; then
	serve
	exit 1
fi

times=10
[ "$scale" = 1 ] || times=100
size=$((8 * scale))
port=7000

# --- two machines ------------------------------------------------------------------------------

loads() {
	modprobe npnic && [ -n "$(device npnic)" ] && ip -d link show "$(device npnic)" | grep 'bus pci'
}

# As long as nobody else has a driver.
alone() {
	npnic_up && usleep 300000 && carrier_is 0
}

both_join() {
	awake 2 && on 2 joined && joined && peers_up_are 1
}

own_addresses() {
	on 2 file_of_device address >"$work/theirs"
	cat "$work/theirs"
	[ -s "$work/theirs" ] && ! grep "$(file_of_device address)" "$work/theirs"
}

both_ways() { # COMMAND WITH A MACHINE'S NUMBER...
	command=$1
	shift
	$command 2 "$@" && on 2 "$command" 1 "$@"
}

ping6() {
	configured && on 2 configured >"$work/theirs" || return
	ping -q -c 3 -W 3 "$(head -n 1 "$work/theirs")%$dev"
}

everybody() {
	ping -q -c 3 -W 3 -I "$dev" ff02::1
}

jumbo() {
	mtu 65521 && on 2 mtu 65521 && both_ways echo_request -M "do" -s 65493 &&
		fails echo_request 2 -M "do" -s 65494
}

copy_there() { # MACHINE MIB
	port=$((port + 1))
	on "$1" receive "$port" && transmit "$1" "$port" "$2" >"$work/sum" || return
	cat "$work/sum"
	on "$1" received "$port" "$(tail -n 1 "$work/sum" | cut -d ' ' -f 1)"
}

copy_here() { # MACHINE MIB
	port=$((port + 1))
	receive "$port" && on "$1" transmit 1 "$port" "$2" >"$work/sum" || return
	cat "$work/sum"
	received "$port" "$(tail -n 1 "$work/sum" | cut -d ' ' -f 1)"
}

copies() { # MACHINE MIB
	copy_there "$@" && copy_here "$@"
}

iperf() { # ARGUMENT...
	timeout 60 iperf3 -c 10.8.0.2 -t 2 "$@"
}

echo "@@test vms"
check "npnic finds its fabric on PCI" loads
dev=$(device npnic)
check "no carrier as long as it is alone" alone
check "two machines: the link comes up" both_join
check "each has an address of its own" own_addresses
check "ping both ways" both_ways echo_request
check "large packets in fragments" both_ways echo_request -s 60000
check "IPv6 configures itself, and reaches the other" ping6
check "multicast" everybody
check "$size MiB over TCP, both ways" copies 2 $size
check "packets of 65,521 bytes" jumbo
check "$size MiB with that MTU" copies 2 $size
mtu 1500
on 2 mtu 1500
on 2 ready
check "iperf3" iperf
check "iperf3 the other way" iperf -R
check "iperf3 with datagrams" iperf -u -b 20M

# --- three -------------------------------------------------------------------------------------

third() {
	awake 3 && on 3 joined && peers_up_are 2 && on 2 peers_up_are 2
}

all_ways() {
	echo_request 2 && echo_request 3 && on 2 echo_request 1 && on 2 echo_request 3 &&
		on 3 echo_request 1 && on 3 echo_request 2
}

one_left() {
	[ "$(value down_left)" = $((left + 1)) ]
}

# What the host answers comes when QEMU is gone, so a second later all must be known.
killed() {
	left=$(value down_left)
	ready && on 3 busy 1 && on 2 busy 1 || return
	host kill 3 || return
	soon 1 peers_up_are 1 || return
	ethtool -S "$dev" | grep -E 'down_|state'
	one_left && on 2 peers_up_are 1 && echo_request 2
}

others_go_on() {
	copies 2 4 && on 2 sending
}

again() {
	host restart 3 && third && all_ways
}

# A stream that lasts longer than the machine is frozen.
frozen() {
	stalls=$(value stalls)
	port=$((port + 1))
	on 2 receive "$port" || return
	transmit 2 "$port" 16 200000 >"$work/sum" 2>&1 &
	sender=$!
	sleep 1
	host freeze 2 5 || return
	echo "stalls: $stalls, now $(value stalls)"
	[ "$(value stalls)" -gt "$stalls" ] && echo_request 3 && wait "$sender" || return
	cat "$work/sum"
	on 2 received "$port" "$(tail -n 1 "$work/sum" | cut -d ' ' -f 1)" && echo_request 2
}

not_cut() {
	[ "$(value down_timeout)" = 0 ] && [ "$(value down_bad_index)" = 0 ] &&
		[ "$(value down_bad_record)" = 0 ]
}

check "a third machine joins" third
check "all reach all" all_ways
check "one is killed under traffic: the others know within a second" killed
check "and go on" others_go_on
on 2 idle
check "it comes back" again
check "one is frozen for 5 s: it is stalled, and nothing is lost" frozen
check "nobody was cut off for that" not_cut

# --- devices and servers that go ---------------------------------------------------------------

rebound() {
	ready && on 2 busy 1 && on 2 rebind "$times" && on 2 idle && soon 10 peers_up_are 2 &&
		soon 10 echo_request 2 && on 2 soon 10 echo_request 3
}

rebound_here() {
	rebind "$times" && dev=$(device npnic) && soon 10 peers_up_are 2 && soon 10 echo_request 2 &&
		soon 10 echo_request 3
}

# Its address is made of what the machine and the fabric are called, and so is the same.
reloaded() {
	on 2 file_of_device address >$work/before
	on 2 rmmod npnic && soon 5 peers_up_are 1 && on 2 joined && soon 10 peers_up_are 2 &&
		on 2 file_of_device address >$work/after && cmp $work/before $work/after &&
		soon 10 echo_request 2
}

unplugged() {
	on 3 ready && busy 3
	host unplug 3 && on 3 soon 10 has_no_device && soon 5 peers_up_are 1 && idle &&
		echo_request 2
}

plugged() {
	host plug 3 && on 3 soon 10 npnic_up && on 3 joined && soon 10 peers_up_are 2 &&
		soon 10 echo_request 3
}

no_server() {
	host server-kill && sleep 1 && peers_up_are 2 && all_ways && copies 2 4
}

check "the driver leaves and takes the device $times times under traffic" rebound
check "and here" rebound_here
check "the module is removed and loaded" reloaded
check "the device is unplugged under traffic" unplugged
check "and plugged in again" plugged
check "bytes are whole after all that" copies 2 4
check "the server is killed: all go on" no_server
check "nobody was cut off" not_cut
on 2 leave
on 3 leave
check "npnic is removed" rmmod npnic
echo "1..$number"
echo "@@end vms 0 $(cut -d. -f1 /proc/uptime)"
