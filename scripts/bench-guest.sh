#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In a guest: load the modules that $MODULES names and run np_bench. A kind whose
# module does not load is reported as absent by np_bench.

for module in $MODULES; do
	modprobe "$module" || echo "modprobe $module failed"
done
# Two namespaces, joined by a pair of npnic devices, and by one of veth.
two_namespaces() {
	mkdir -p /run/netns
	ip=/usr/bin/ip
	$ip netns add srv
	$ip link add cli type npnic
	$ip link add v1 type veth peer name v0
	$ip link set npnic0 name srv netns srv
	$ip link set v0 netns srv
	$ip addr add 10.90.0.2/24 dev cli
	$ip addr add 10.91.0.2/24 dev v1
	$ip link set cli up
	$ip link set v1 up
	$ip -n srv addr add 10.90.0.1/24 dev srv
	$ip -n srv addr add 10.91.0.1/24 dev v0
	$ip -n srv link set srv up
	$ip -n srv link set v0 up
	n=0
	until ping -c 1 -W 1 10.90.0.1 && ping -c 1 -W 1 10.91.0.1; do
		n=$((n + 1))
		[ $n -lt 20 ] || break
	done >/dev/null
}

case " $MODULES " in
*" npnic "*) two_namespaces ;;
esac
printf "BENCH\tkernel\t%s\n" "$(uname -r)"
exec ./np_bench "$@"
