#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# nic-vms.sh [--kernel KERNEL] [--modules DIR] [--log FILE] [foreign|vms|hostile|sockets...]:
# npnic on PCI. Prints TAP for tap.awk; "make check" runs it as its job "vms".
#
#	foreign		one machine with ivshmem devices whose memory is not npnic's: not a byte of
#			it may change
#	vms		three machines and a fabric server: scripts/guest/nic-vms.sh
#	hostile		three machines, of which one writes what it should not into the fabric:
#			scripts/guest/nic-hostile.sh; "make check" runs it with the debug kernel
#	sockets		AF_NEWPROTO between two machines: nic-sockets.sh
#
# KERNEL is stock (default) or debug; DIR has the modules built for it, otherwise they are built;
# FILE is what the names of the guests' kernel logs begin with.

. "$(dirname "$0")/lib.sh"
set -e

kernel=stock modules='' log=''
while :; do
	case ${1:-} in
	--kernel) kernel=${2:?} ;;
	--modules) modules=${2:?} ;;
	--log) log=${2:?} ;;
	-*) die "nic-vms.sh: no such option: $1" ;;
	*) break ;;
	esac
	shift 2
done
[ $# -gt 0 ] || set -- foreign vms sockets

out=$(out_dir nic)
[ -n "$log" ] || log=$out/vms.console
limit=${NEWPROTO_NIC_LIMIT:-900}
stage=$("$top/scripts/nic.sh" --stage) || exit 1
need "serving memory that is not npnic's" python3
if [ -z "$modules" ]; then
	modules=$out/module-$kernel
	run_quiet "building the modules for the $kernel kernel" "$out/module-$kernel.log" \
		"$top/scripts/build-module.sh" "$kernel" "$modules" || exit 1
fi
guest=("-f" "$stage:/programs" -f "$top/scripts/guest/nic-lib.sh"
	-f "$stage/lib/link_npnic.so:/usr/lib/x86_64-linux-gnu/ip/link_npnic.so"
	-M "$modules/newproto.ko" -M "$modules/npnic.ko")

work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-nic.XXXXXX")
servers=()

cleanup() {
	[ ${#servers[@]} = 0 ] || kill "${servers[@]}" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# --- memory that is not npnic's ----------------------------------------------------------------

# A header of which the checksum or the version is wrong, and nothing else is right.
header() { # VERSION
	printf 'NPNICMEM\\x%02x\\0\\0\\0\\x80\\0\\0\\0' "$1"
}

regions=(random checksum blank plain version)

make_regions() { # DIR
	local name

	for name in "${regions[@]}"; do
		truncate -s 16M "$1/$name"
		[ "$name" = blank ] ||
			dd if=/dev/urandom of="$1/$name" bs=64K count=4 conv=notrunc status=none
	done
	# shellcheck disable=SC2059 # a format is what these are made to be
	printf "$(header 1)" | dd of="$1/checksum" conv=notrunc status=none
	# shellcheck disable=SC2059
	printf "$(header 99)" | dd of="$1/version" conv=notrunc status=none
	(cd "$1" && md5sum "${regions[@]}" >sums)
}

# At the places on the bus that nic-foreign.sh knows.
devices() { # DIR
	local name slot=10

	for name in "${regions[@]}"; do
		if [ "$name" = plain ]; then
			echo "-object memory-backend-file,id=m,mem-path=$1/plain,size=16M,share=on"
			echo "-device ivshmem-plain,memdev=m,addr=$slot"
		else
			echo "-chardev socket,path=$1/$name.sock,id=$name"
			echo "-device ivshmem-doorbell,vectors=8,chardev=$name,addr=$slot"
		fi
		slot=$((slot + 1))
	done | tr '\n' ' '
}

serve_regions() { # DIR
	local name n

	for name in "${regions[@]}"; do
		[ "$name" != plain ] || continue
		"$top/scripts/nic-ivshmem.py" "$1/$name.sock" "$1/$name" 8 &
		servers+=($!)
		for ((n = 0; n < 100; n++)); do
			[ ! -S "$1/$name.sock" ] || break
			sleep 0.1
		done
	done
}

check_sums() { # DIR
	(cd "$1" && md5sum --quiet -c sums 2>&1 | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ])
}

verdict() { # NAME COMMAND...
	local name=$1
	shift

	if "$@"; then
		echo "ok - $name"
	else
		echo "not ok - $name"
	fi
}

# A line of "@@complete" comes once, at the end of all.
foreign() { # [blank]
	local dir=$work/foreign$1 status

	mkdir "$dir"
	make_regions "$dir"
	serve_regions "$dir"
	"$top/scripts/vm.sh" -k "$kernel" -s 1 -m 256 -t 200 -o "$log.foreign$1" \
		-q "$(devices "$dir")" "${guest[@]}" "$top/scripts/guest/nic-foreign.sh" "$1" |
		sed -u '/^@@complete/d' || true
	status=${PIPESTATUS[0]}
	kill "${servers[@]}" 2>/dev/null || true
	servers=()

	echo "@@test foreign$1.after"
	verdict "the guest ended well (status $status)" [ "$status" = 0 ]
	if [ -n "$1" ]; then
		verdict "the blank region has a header now" grep -aq '^NPNICMEM' "$dir/blank"
		sed -i '/ blank$/d' "$dir/sums"
	fi
	verdict "no other byte has changed" check_sums "$dir"
	echo "@@end foreign$1.after 0 0"
}

# --- three machines ----------------------------------------------------------------------------

vms() {
	local status

	"$top/scripts/vms.sh" -n 3 -p 4 -S 64M -Q 2 -k "$kernel" -s 2 -m 256 -t "$limit" \
		-o "$log" -e "NEWPROTO_TEST_SCALE=${NEWPROTO_TEST_SCALE:-1}" "${guest[@]}" \
		-f "$top/scripts/guest/nic-vm.sh" "$top/scripts/guest/nic-vms.sh" |
		sed -u -n 's/^vm1: //p' || true
	status=${PIPESTATUS[0]}
	echo "@@test vms.after"
	verdict "all guests ended well (status $status)" [ "$status" = 0 ]
	echo "@@end vms.after 0 0"
}

# A small fabric is written all over soon. The driver has the memory cached, and a program could not
# have it otherwise, or at all, if these kernels did not have these arguments.
hostile() {
	local scribble=$out/tools/tests/fabric_scribble status

	run_quiet "building a hostile member" "$out/hostile.log" \
		make -s -C "$top/tools" O="$out/tools" "$scribble" || exit 1
	"$top/scripts/vms.sh" -n 3 -p 3 -S 16M -Q 2 -k "$kernel" -s 2 -m 400 -t "$limit" -o "$log" \
		-a "nopat iomem=relaxed" -e "NEWPROTO_TEST_SCALE=${NEWPROTO_TEST_SCALE:-1}" \
		"${guest[@]}" -f "$scribble" -f "$top/scripts/guest/nic-vm.sh" \
		"$top/scripts/guest/nic-hostile.sh" | sed -u -n 's/^vm1: //p' || true
	status=${PIPESTATUS[0]}
	echo "@@test hostile.after"
	verdict "all guests ended well (status $status)" [ "$status" = 0 ]
	echo "@@end hostile.after 0 0"
}

for name; do
	case $name in
	foreign)
		foreign ''
		foreign blank
		;;
	vms | hostile)
		"$name"
		;;
	sockets)
		"$top/scripts/nic-sockets.sh" --kernel "$kernel" --modules "$modules" \
			--log "$log.sockets" | sed -u '/^@@complete/d'
		;;
	*)
		die "nic-vms.sh: no such test: $name"
		;;
	esac
done
echo "@@complete"
