#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# nic-sockets.sh [--fetch] [--kernel KERNEL] [--modules DIR] [--log FILE]: AF_NEWPROTO over npnic
# between two machines, with redis, nginx and np_wire. See scripts/guest/nic-sockets.sh. Prints TAP
# for tap.awk; "make check" runs it in its job "vms".
#
# --fetch: only fetch and build what the guests need, and print where it is: a directory for their
# /programs. KERNEL is stock (default) or debug; DIR has the modules built for it, otherwise they are
# built; FILE is what the names of the guests' kernel logs begin with.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/unpack.sh"
set -e

out=$(out_dir nic-sockets)
kernel=stock modules='' log='' fetch_only=no
while :; do
	case ${1:-} in
	--fetch) fetch_only=yes && shift && continue ;;
	--kernel) kernel=${2:?} ;;
	--modules) modules=${2:?} ;;
	--log) log=${2:?} ;;
	'') break ;;
	*) die "nic-sockets.sh: no such option: $1" ;;
	esac
	shift 2
done
[ -n "$log" ] || log=$out/$kernel.console

stage=$out/stage
programs=(redis-server redis-cli redis-benchmark nginx ab wget)
packages=(redis-server redis-tools nginx apache2-utils wget)
limit=${NEWPROTO_NIC_LIMIT:-600}

# The servers are unpacked, not installed: installing them would start them here. Jobs that run at
# the same time share this: it is made anew only if something is.
fill_stage() {
	local name

	stage_programs "$out" "${programs[@]}"
	make -s -C "$top/tools" O="$out/tools" demo
	make -s -C "$top/tools/bench" O="$out/tools" "$out/tools/np_wire"
	for name in newproto_run newproto-preload.so np_wire; do
		cmp -s "$out/tools/$name" "$stage/bin/$name" || cp "$out/tools/$name" "$stage/bin/"
	done
}

prepare() {
	mkdir -p "$out/tools"
	unpack_packages "testing sockets between machines" "$out" "${packages[@]}"
	run_quiet "building newproto_run and np_wire" "$out/tools.log" fill_stage || exit 1
}

need "building the modules and the tools" gcc libc6-dev make
(
	flock -w 600 9 || die "$out is still locked after ten minutes"
	prepare
) 9>"$out/lock"
if [ $fetch_only = yes ]; then
	echo "$stage"
	exit 0
fi
nic_stage=$("$top/scripts/nic.sh" --stage) || exit 1
if [ -z "$modules" ]; then
	modules=$out/module-$kernel
	run_quiet "building the modules for the $kernel kernel" "$out/module-$kernel.log" \
		"$top/scripts/build-module.sh" "$kernel" "$modules" || exit 1
fi

"$top/scripts/vms.sh" -n 2 -p 4 -S 64M -Q 2 -k "$kernel" -s 1 -m 384 -t "$limit" \
	-o "$log" -e "NEWPROTO_TEST_SCALE=${NEWPROTO_TEST_SCALE:-1}" \
	-f "$nic_stage:/programs" -f "$stage:/programs" -M "$modules/newproto.ko" -M "$modules/npnic.ko" \
	-f "$top/scripts/guest/nic-lib.sh" -f "$top/scripts/guest/nic-vm.sh" \
	-f "$top/scripts/guest/nginx.sh" "$top/scripts/guest/nic-sockets.sh" |
	sed -u -n 's/^vm1: //p' || true
status=${PIPESTATUS[0]}
echo "@@test sockets.after"
if [ "$status" = 0 ]; then
	echo "ok - both guests ended well"
else
	echo "not ok - both guests ended well (status $status)"
fi
echo "@@end sockets.after 0 0"
echo "@@complete"
