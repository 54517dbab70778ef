# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# host.sh: what a script in a machine of vms.sh can ask the host for. Source it first.
#
#	host COMMAND...		have it done, see vms.sh -h; 1: it failed, or took too long
#	barrier NAME		wait for the other machines
#	device DRIVER		print the name of the driver's network device
#	up DRIVER NETWORK	set it up, with this machine's address in 10.NETWORK.0.0/24
#
# $HOST_TIMEOUT is how many seconds either may take, 120 if it is not set.

# Open from here on: what arrives at a line that nobody has open is lost.
exec 9<>/dev/ttyS2
stty raw -echo <&9

# Until the host says $1, or that it failed. Answers that nobody has waited for are skipped.
host_wait() {
	# shellcheck disable=SC3045 # busybox has -t
	while read -r -t "${HOST_TIMEOUT:-120}" host_line <&9; do
		case $host_line in
		"$1") return 0 ;;
		"$2") return 1 ;;
		esac
	done
	echo "# no answer from the host: $1" >&2
	return 1
}

# To the line that the host listens to, wherever the output goes.
host() {
	echo "@@host $*" >/dev/ttyS1
	host_wait "done $*" "failed $*"
}

barrier() {
	echo "@@host barrier $1" >/dev/ttyS1
	host_wait "go $1" ''
}

device() {
	for net in /sys/bus/*/drivers/"$1"/*/net/*; do
		[ ! -e "$net" ] || echo "${net##*/}"
	done
}

up() {
	dev=$(device "$1")
	ip addr add "10.$2.0.$NP_VM/24" dev "$dev" && ip link set "$dev" up
}
