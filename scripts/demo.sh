#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: what the family is for, seen with real programs. Boots the distribution's kernel in a
# virtual machine, loads the module there, and runs redis, nginx, iperf3 and a small C program over
# TCP loopback and over AF_NEWPROTO. See demo-guest.sh for what is run and how it is proved. Then
# redis between two virtual machines, over TCP and over AF_NEWPROTO: see demo-vms.sh.
#
# Everything is kept in the cache, which the last line names; nothing is started or changed on this
# machine, except for missing build tools, which are installed as packages.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/unpack.sh"
set -e

usage="usage: demo.sh"
[ $# = 0 ] || { echo "$usage" >&2; exit 2; }

demo=$(out_dir demo)
stage=$demo/stage
# The servers are unpacked, not installed: installing them would start them here.
packages=(redis-server redis-tools nginx apache2-utils iperf3 wget)
programs=(redis-server redis-benchmark nginx ab iperf3 wget)

# For the guest: bin/ with the programs, lib/ with the libraries that came with them.
fill_stage() {
	rm -rf "$stage"
	copy_programs "$demo" "$stage/bin" "${programs[@]}"
	copy_libraries "$demo" "$stage/lib" "$stage"/bin/*
	cp "$demo"/tools/{newproto_run,newproto-preload.so,hello_newproto,hello_tcp} "$stage/bin/"
}

build_module() {
	"$top/scripts/build-module.sh" stock "$demo/module" >/dev/null
}

build() {
	need "building the module and the tools" gcc libc6-dev make
	run_quiet "building the modules for the distribution's kernel" "$demo/module.log" \
		build_module || exit 1
	mkdir -p "$demo/tools"
	run_quiet "building newproto_run and the example" "$demo/tools.log" \
		make -C "$top/tools" O="$demo/tools" demo || exit 1
}

# The guest's progress goes where ours goes, the rest is the result.
relay() {
	local line

	while IFS= read -r line; do
		case $line in
		'# '*) say "${line#??}" ;;
		*) printf '%s\n' "$line" ;;
		esac
	done
}

unpack_packages "showing programs that everybody knows" "$demo" "${packages[@]}"
build
fill_stage
cpu=()
accel=$("$top/scripts/vm.sh" -s 2 --accel) || die "no QEMU"
# TCG copies byte by byte where the processor says that it does so fast, which no processor does;
# without that the kernel copies by words, as fast for both.
if [[ $accel =~ 'tcg'.*'-cpu '([^ ]+) ]]; then
	cpu=(-c "${BASH_REMATCH[1]},-erms,-fsrm")
fi
say "booting the distribution's kernel in QEMU (${accel%%,*} ${cpu[*]})"
"$top/scripts/vm.sh" "${cpu[@]}" -s 2 -m 1024 -t 270 -o "$demo/console.log" \
	-f "$demo/module/newproto.ko" -f "$stage:/demo" -f "$top/scripts/guest/nginx.sh" \
	"$top/scripts/demo-guest.sh" | relay
status=${PIPESTATUS[0]}
say "booting two of them"
"$top/scripts/vms.sh" "${cpu[@]}" -N -n 2 -p 2 -Q 1 -s 1 -m 256 -t 120 -o "$demo/vms.log" \
	-M virtio_pci -M virtio_net -M "$demo/module/newproto.ko" -M "$demo/module/npnic.ko" \
	-f "$stage:/demo" "$top/scripts/demo-vms.sh" | sed -u -n 's/^vm1: //p' | relay
vms_status=${PIPESTATUS[0]}
say "left behind: $cache ($(du -sh "$demo" | cut -f 1) of it in demo/)"
[ "$status" = 0 ] || die "not everything worked; the guest's kernel log: $demo/console.log"
[ "$vms_status" = 0 ] || die "not everything worked; the guests' kernel logs: $demo/vms.log.*"
