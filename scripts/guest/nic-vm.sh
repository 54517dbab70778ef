# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# nic-vm.sh: what nic-vms.sh lets virtual machines do with the npnic on their PCI bus, and how the
# first of them tells the others to.
#
#	on MACHINE COMMAND...	the command's output and status
#	serve			do what the first says, until it says "leave"

# shellcheck disable=SC2317,SC2119 # check calls them; and a function may have arguments

. ./nic-lib.sh
. ./host.sh

# --- between machines --------------------------------------------------------------------------

# By way of the host, in one line each way: of a long output the end.
on() { # MACHINE COMMAND...
	machine=$1 asked=$(cut -c 1-13 /proc/sys/kernel/random/uuid)
	shift
	echo "@@host tell $machine run $asked $*" >/dev/ttyS1
	# shellcheck disable=SC3045 # busybox has it
	while read -r -t "${HOST_TIMEOUT:-120}" word id answer output <&9; do
		[ "$word $id" = "answer $asked" ] || continue
		echo "$output" | base64 -d
		return "$answer"
	done
	echo "machine $machine does not answer: $*"
	return 1
}

serve() {
	while read -r word id todo <&9; do
		[ "$word" = run ] || continue
		dev=$(device npnic)
		(eval "$todo") >$work/output 2>&1 </dev/null 9>&-
		echo "@@host tell 1 answer $id $? $(tail -c 2000 $work/output | base64 | tr -d '\n')" \
			>/dev/ttyS1
		[ "$todo" != leave ] || exit 0
	done
}

leave() {
	[ ! -e /sys/module/npnic ] || rmmod npnic
}

# A machine that has only just been started hears nothing.
awake() { # MACHINE
	tries=20
	until HOST_TIMEOUT=2 on "$1" true; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return
	done
}

# --- what each of them does --------------------------------------------------------------------

# In these machines there is one at most. (ip link show type npnic lists pairs alone.)
dev=$(device npnic)

file_of_device() { # FILE
	cat "/sys/class/net/$dev/$1"
}

carrier_is() { # 0|1
	[ "$(file_of_device carrier)" = "$1" ]
}

# The machine's number is that of its address, which the device may have already.
npnic_up() {
	dev=$(device npnic)
	[ -n "$dev" ] && ip addr replace "10.8.0.$NP_VM/24" dev "$dev" && ip link set "$dev" up
}

# 20 seconds: each of the others may be late.
joined() {
	modprobe npnic && npnic_up && soon 20 carrier_is 1
}

mtu() { # MTU
	ip link set "$dev" mtu "$1"
}

linklocal() {
	ip -6 -o addr show dev "$dev" scope link | sed -n 's/.*inet6 \([^/]*\).*/\1/p'
}

tentative() {
	ip -6 addr show dev "$dev" | grep -E 'tentative|dadfailed'
}

configured() {
	soon 10 fails tentative && linklocal | grep .
}

# One of ethtool's counters.
value() { # NAME
	ethtool -S "$dev" | sed -n "s/^ *$1: //p"
}

# What ethtool calls the state of a peer's slot: 0 not there, 1 down, 2 up, 3 stalled.
peers_up() {
	ethtool -S "$dev" | grep -cE 'peer[0-9]+_state: [23]'
}

peers_up_are() { # NUMBER
	[ "$(peers_up)" = "$1" ]
}

echo_request() { # MACHINE [PING ARGUMENT...]
	address=10.8.0.$1
	shift
	ping -q -i 0.05 -c 5 -W 3 "$@" "$address"
}

here() { # PORT
	grep -qi ":$(printf %04X "$1") .* 0A " /proc/net/tcp /proc/net/tcp6
}

# Receives once, in the background, and leaves the checksum.
receive() { # PORT
	rm -f "$work/sum.$1"
	timeout 120 socat -u "TCP-LISTEN:$1,reuseaddr" EXEC:md5sum >"$work/receiving.$1" 2>&1 &&
		mv "$work/receiving.$1" "$work/sum.$1" &
	soon 10 here "$1"
}

# Sends some MiB, and says their checksum. With a pause after each.
transmit() { # MACHINE PORT MIB [MICROSECONDS]
	[ -e $work/mib ] || dd if=/dev/urandom of=$work/mib bs=1M count=1 2>/dev/null
	n=0
	while [ $n -lt "$3" ]; do
		cat $work/mib
		[ -z "${4:-}" ] || usleep "$4"
		n=$((n + 1))
	done | tee $work/sent | timeout 110 socat -u - "TCP:10.8.0.$1:$2" || return
	md5sum <$work/sent
	rm -f $work/sent
}

received() { # PORT CHECKSUM
	soon 20 [ -s "$work/sum.$1" ] && cat "$work/sum.$1" && grep -q "^$2 " "$work/sum.$1"
}

# iperf3 to a machine in the background, until one of them ends. A server has one client.
busy() { # MACHINE
	timeout 200 iperf3 -c "10.8.0.$1" -p $((5200 + NP_VM)) -t 100 >$work/busy 2>&1 &
	soon 5 sending
}

ready() {
	killall iperf3 2>/dev/null
	for client in 5201 5202 5203; do
		soon 5 fails here $client && iperf3 -s -D -p $client && soon 10 here $client || return
	done
}

sending() {
	before=$(file_of_device statistics/tx_bytes)
	usleep 200000
	[ "$(file_of_device statistics/tx_bytes)" -gt $((before + 10000)) ]
}

idle() {
	killall iperf3 2>/dev/null
	true
}

function_of_device() {
	basename "$(readlink -f "/sys/class/net/$dev/device")"
}

# The driver leaves the device and takes it again, some times.
rebind() { # TIMES
	function=$(function_of_device)
	n=0
	while [ $n -lt "$1" ]; do
		echo "$function" >/sys/bus/pci/drivers/npnic/unbind || return
		[ ! -e "/sys/bus/pci/devices/$function/net" ] || return
		echo "$function" >/sys/bus/pci/drivers/npnic/bind || return
		npnic_up || return
		n=$((n + 1))
	done
	soon 10 carrier_is 1
}

has_no_device() {
	[ -z "$(device npnic)" ]
}
