#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# bench.sh: measure AF_NEWPROTO side by side with pipe, AF_UNIX, TCP, UDP and AF_VSOCK on
# the stock kernel in QEMU, print the tables and say which bars are met.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/kernels.sh"
set -e

usage() {
	cat <<'END'
usage: bench.sh [options]

  --quick           only instructions per operation; by default of unix and newproto
  --groups          only SO_REUSEPORT groups, of tcp and newproto; with --quick only
                    their instructions
  --nic             only the pair of npnic devices between two namespaces: direct channels
                    beside AF_UNIX and AF_NEWPROTO inside one namespace, and TCP over the
                    pair beside TCP over veth; with --quick only their instructions
  --vms             only two virtual machines: TCP over virtio-net (QEMU's stream netdev),
                    TCP over npnic and AF_NEWPROTO over npnic, in wall-clock time
  --kinds LIST      of pipe,unix,tcp,udp,vsock,newproto
  --rows LIST       of pp64,pp4k,pp64k,ow64,ow1k,ow16k,ow64k,cycle,
                    dpp64,dpp8k,dow64,spp64,spp8k,sow64
                    (pp: ping-pong, ow: one way; d: datagrams, s: sequenced packets),
                    with --groups of gcycle1,gcycle2,gcycle8,gcycle64,gcycle1024,
                    gmove2,gmove8,gbind (the number is that of members);
                    --kinds and --rows with --quick only
  --ko FILE         measure this newproto.ko instead of building the tree's
  --no-module       only the others
  --batch           count instructions without the scheduler's wake-up preemption
  --strict          exit with 1 if a bar is missed, too
  -k KERNEL         as for vm.sh (default: stock)

Exits with 0 if everything could be measured.
END
}

quick=no part=all kinds='' rows='' ko='' module=yes batch='' strict=0 kernel=stock
connections=20000 repeats=5 slot_ms=100

while [ $# -gt 0 ]; do
	case $1 in
	--kinds | --rows | --ko | -k) [ $# -ge 2 ] || die "bench.sh: $1 needs a value" ;;
	esac
	case $1 in
	--kinds) kinds=$2 && shift ;;
	--rows) rows=$2 && shift ;;
	--ko) ko=$2 && shift ;;
	-k) kernel=$2 && shift ;;
	--quick) quick=yes ;;
	--groups) part=groups ;;
	--nic) part=nic ;;
	--vms) part=vms ;;
	--no-module) module=no ;;
	--batch) batch=--batch ;;
	--strict) strict=1 ;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done
[ $quick = yes ] || [ -z "$kinds$rows" ] || die "--kinds and --rows need --quick"

work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-bench.XXXXXX")
# shellcheck disable=SC2046 # one word for each job
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP

# --- what runs in the guest --------------------------------------------------------------

need "building the benchmark" gcc libc6-dev make linux-libc-dev
build=$(out_dir bench)
run_quiet "building np_bench" "$cache/log/np_bench.log" \
	make -C "$top/tools/bench" O="$build" || exit 1

vm=("$top/scripts/vm.sh" -k "$kernel" -f "$build/np_bench:/test/np_bench")
guest_modules=vsock_loopback
vm+=(-M vsock_loopback)
if [ -z "$ko" ] && [ $module = yes ]; then
	say "building newproto.ko"
	dir=$("$top/scripts/build-module.sh" "$kernel" 2>"$work/module.log") || {
		cat "$work/module.log" >&2
		die "newproto.ko does not build"
	}
	ko=$dir/newproto.ko
fi
if [ $module = yes ]; then
	[ -r "$ko" ] || die "cannot read $ko"
	vm+=(-M "$ko")
	guest_modules+=" newproto"
fi
if [ $part = nic ]; then
	need "setting up namespaces in a guest" iproute2
	vm+=(-M "${ko%/*}/npnic.ko" -M veth -f /usr/bin/ip)
	guest_modules+=" veth npnic"
fi
vm+=(-e MODULES="$guest_modules")

# --- running it --------------------------------------------------------------------------

# Results as they come, for who waits; the section is where the row will stand.
progress() {
	local section=$1 tag what row kind value rest

	while IFS=$'\t' read -r tag what row kind value rest; do
		case $tag:$what in
		BENCH:speed) say "$(printf '%-12s %-6s %-10s %12s' "$section" "$row" "$kind" "$value")" ;;
		BENCH:group) say "$(printf '%-12s %-10s %-22s %12s' "$section" "$row" "$kind" "$value")" ;;
		BENCH:vms) say "$(printf '%-12s %-9s %-10s %12s' "$section" "$row" "$kind" "$value")" ;;
		BENCH:memory) say "$(printf '%-12s %-6s %-10s %12s' "$section" "$row" "$kind" "$value")" ;;
		BENCH:absent) say "$(printf '%-12s %-6s %-10s %12s' "$section" "$row" "$kind" \
			absent): no $value sockets of this kind: $rest" ;;
		BENCH:*) ;;
		*) [ -z "$tag" ] || say "$section: $tag" ;;
		esac
	done
}

# run SECTION NAME LIMIT VM-OPTIONS... -- NP_BENCH-ARGUMENTS...
# writes the results to the file $work/NAME.tsv, with the section in the first column.
run() {
	local section=$1 name=$2 limit=$3 options=() status
	shift 3

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	"${vm[@]}" "${options[@]}" -t "$limit" "$top/scripts/bench-guest.sh" "$@" |
		tee "$work/$name.out" | progress "$section"
	status=${PIPESTATUS[0]}
	sed -n "s/^BENCH\t/$section\t/p" "$work/$name.out" >"$work/$name.tsv"
	[ "$status" = 0 ] || say "$section $name: exit status $status"
	return "$status"
}

instructions() {
	run instructions icount 900 -m 512 -i shift=0,sleep=off -- speed $batch \
		--repeats $repeats ${kinds:+--kinds "$kinds"} ${rows:+--rows "$rows"}
}

# One process, all of whose sockets are in memory at once.
groups_instructions() {
	run instructions groups 900 -m 1024 -i shift=0,sleep=off -- groups \
		--repeats $repeats ${kinds:+--kinds "$kinds"} ${rows:+--rows "$rows"}
}

# Two namespaces: see bench-guest.sh.
nic_kinds=unix,newproto,direct,tcp-npnic,tcp-veth
nic_rows=pp64,pp4k,pp64k,ow64,ow1k,ow16k,ow64k

nic_instructions() {
	run instructions nic 900 -m 512 -i shift=0,sleep=off -- speed $batch \
		--repeats $repeats --kinds "${kinds:-$nic_kinds}" --rows "${rows:-$nic_rows}"
}

nic_wall_clock() {
	run wall nic-wall 600 -s 2 -m 512 -- speed --repeats $repeats --slot $slot_ms \
		--kinds $nic_kinds --rows $nic_rows
}

# Two machines, with one processor each. What bench-vms.sh says is not np_bench's.
vms_wall_clock() {
	local stage nic cpu=() accel status

	stage=$("$top/scripts/nic-sockets.sh" --fetch) || return 1
	nic=$("$top/scripts/nic.sh" --stage) || return 1
	# TCG copies byte by byte where the processor says that it does so fast.
	accel=$("$top/scripts/vm.sh" -k "$kernel" --accel)
	[[ ! $accel =~ 'tcg'.*'-cpu '([^ ]+) ]] || cpu=(-c "${BASH_REMATCH[1]},-erms,-fsrm")
	"$top/scripts/vms.sh" "${cpu[@]}" -N -n 2 -p 2 -Q 1 -s 1 -m 256 -k "$kernel" -t 300 \
		-M virtio_pci -M virtio_net -M "$ko" -M "${ko%/*}/npnic.ko" \
		-f "$nic:/programs" -f "$stage/bin/np_wire:/programs/bin/np_wire" \
		-f "$stage/bin/newproto_run:/programs/bin/newproto_run" \
		-f "$stage/bin/newproto-preload.so:/programs/bin/newproto-preload.so" \
		"$top/scripts/guest/bench-vms.sh" 1 $((repeats + 2)) |
		sed -u -n 's/^vm1: //p' | tee "$work/vms.out" | progress machines
	status=${PIPESTATUS[0]}
	sed -n "s/^BENCH\t/wall\t/p" "$work/vms.out" >"$work/vms.tsv"
	return "$status"
}

groups_wall_clock() {
	run wall groups-wall 900 -s 2 -m 1024 -- groups --repeats $repeats
}

# One processor, so that little hides on per-CPU lists, and no merging of slab caches, so
# that each object has its own size.
memory() {
	run memory "memory-$1${2:-}" 300 -s 1 -m 2048 -a slab_nomerge -- memory --kinds "$1" \
		--connections $connections ${2:+"$2"}
}

# Times say little without what else this machine was doing.
note_load() {
	local load
	load=$(cut -d ' ' -f 1 /proc/loadavg)
	echo "wall	load	$load" >"$work/load.tsv"
}

wall_clock() {
	run wall wall 300 -s 2 -m 512 -- speed --repeats $repeats --slot $slot_ms
}

count_instructions() {
	local status=0

	instructions || status=1
	groups_instructions || status=1
	return $status
}

everything() {
	local counting kind

	# Counting instructions does not mind company, and neither does counting bytes.
	count_instructions &
	counting=$!
	for kind in unix tcp tcp6 newproto newproto6; do
		case $module:$kind in
		no:newproto*) ;;
		*) memory $kind || failed=1 ;;
		esac
	done
	for kind in unix udp newproto; do
		case $module:$kind in
		no:newproto*) ;;
		*) memory $kind --datagrams || failed=1 ;;
		esac
	done
	wait $counting || failed=1
	note_load
	wall_clock || failed=1
	groups_wall_clock || failed=1
	if [ $module = yes ] && [ -e "${ko%/*}/npnic.ko" ]; then
		vms_wall_clock || failed=1
	fi
}

failed=0
case $quick:$part in
yes:all)
	kinds=${kinds:-unix,newproto}
	instructions || failed=1
	;;
yes:nic)
	nic_instructions || failed=1
	;;
no:nic)
	nic_instructions || failed=1
	note_load
	nic_wall_clock || failed=1
	;;
*:vms)
	[ $quick = no ] || die "--vms has no instructions to count"
	note_load
	vms_wall_clock || failed=1
	;;
yes:groups)
	groups_instructions || failed=1
	;;
no:groups)
	groups_instructions || failed=1
	note_load
	groups_wall_clock || failed=1
	;;
no:all)
	everything
	;;
esac

# --- the report --------------------------------------------------------------------------

tsv=$build/bench-$(date +%Y%m%d-%H%M%S).tsv
cat "$work"/*.tsv >"$tsv"
say "all figures, for other programs to read: $tsv"
verdict=0
if [ $part = nic ]; then
	awk -f "$top/scripts/bench-nic.awk" -v strict=$strict "$tsv" || verdict=$?
	[ $failed = 0 ] || die "not everything could be measured"
	exit $verdict
fi
if [ $part = vms ] || [ -s "$work/vms.tsv" ]; then
	awk -f "$top/scripts/bench-vms.awk" -v strict=$strict \
		-v accel="$("$top/scripts/vm.sh" --accel)" "$tsv" || verdict=$?
fi
if [ $part = vms ]; then
	[ $failed = 0 ] || die "not everything could be measured"
	exit $verdict
fi
awk -f "$top/scripts/bench-report.awk" -f "$top/scripts/bench-groups.awk" \
	-v quick=$quick -v module=$module -v part=$part -v strict=$strict \
	-v connections=$connections -v accel="$("$top/scripts/vm.sh" --accel)" "$tsv" || verdict=$?
[ $failed = 0 ] || die "not everything could be measured"
exit $verdict
