#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# nic.sh [--stage] [--kernel KERNEL] [--rings] [--modules DIR] [--log FILE] [TEST...]: npnic as an
# Ethernet device, between network namespaces of one guest: scripts/guest/nic-TEST.sh, by default
# all of them. Prints TAP for tap.awk; "make check" runs it as its jobs nic-debug, with --rings, and
# nic-stock.
#
# KERNEL is stock (default) or debug; with --rings frames of pairs go through the shared memory, as
# they do on PCI. DIR has the modules built for it, otherwise they are built; FILE is for the
# guest's kernel log. With --stage only have what guests need fetched and built, and print where it
# is: a directory for a guest's /programs, with the plug-in of ip in lib/.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/unpack.sh"
set -e

out=$(out_dir nic)
kernel=stock modules='' log='' stage_only=no parameters=''
while :; do
	case ${1:-} in
	--stage) stage_only=yes && shift && continue ;;
	--rings) parameters=npnic.pair_rings=1 && shift && continue ;;
	--kernel) kernel=${2:?} ;;
	--modules) modules=${2:?} ;;
	--log) log=${2:?} ;;
	-*) die "nic.sh: no such option: $1" ;;
	*) break ;;
	esac
	shift 2
done
[ -n "$log" ] || log=$out/$kernel.console
[ $# -gt 0 ] || set -- link ether live

stage=$out/stage
programs=(ip bridge ping ethtool iperf3 socat)
packages=(iproute2 iputils-ping ethtool iperf3 socat)
limit=${NEWPROTO_NIC_LIMIT:-1200}
plugin=/usr/lib/x86_64-linux-gnu/ip/link_npnic.so

# Jobs that run at the same time share it: it is made anew only if something is.
fill_stage() {
	stage_programs "$out" "${programs[@]}"
	make -s -C "$top/tools" O="$out/tools" "$out/tools/link_npnic.so"
	cmp -s "$out/tools/link_npnic.so" "$stage/lib/link_npnic.so" ||
		cp "$out/tools/link_npnic.so" "$stage/lib/"
}

prepare() {
	mkdir -p "$out/tools"
	unpack_packages "testing a network device" "$out" "${packages[@]}"
	run_quiet "building the plug-in of ip" "$out/tools.log" fill_stage || exit 1
}

need "building the modules and the tools" gcc libc6-dev make
(
	flock -w 600 9 || die "$out is still locked after ten minutes"
	prepare
) 9>"$out/lock"
if [ $stage_only = yes ]; then
	echo "$stage"
	exit 0
fi
if [ -z "$modules" ]; then
	modules=$out/module-$kernel
	run_quiet "building the modules for the $kernel kernel" "$out/module-$kernel.log" \
		"$top/scripts/build-module.sh" "$kernel" "$modules" || exit 1
fi

files=(-f "$top/scripts/guest/nic-lib.sh" -f "$stage:/programs"
	-f "$stage/lib/link_npnic.so:$plugin")
for name; do
	[ -e "$top/scripts/guest/nic-$name.sh" ] || die "nic.sh: no such test: $name"
	files+=(-f "$top/scripts/guest/nic-$name.sh")
done
set -- "${@/#/./nic-}"
# Not every kernel has a bridge.
bridge=()
[ "$kernel" != stock ] || bridge=(-M bridge)
exec "$top/scripts/vm.sh" -k "$kernel" -s 2 -m 1024 -t "$limit" -o "$log" \
	-a "slab_nomerge slub_debug=P,newproto_*,NEWPROTO* $parameters" -M "$modules/newproto.ko" \
	-M "$modules/npnic.ko" "${bridge[@]}" -e "NEWPROTO_TEST_SCALE=${NEWPROTO_TEST_SCALE:-1}" \
	"${files[@]}" "$top/scripts/guest/run-tests.sh" newproto "$limit" "${@/%/.sh}"
