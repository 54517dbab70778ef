#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh [--long] [JOB...]: "make check". Installs and builds what is missing, then runs
# its jobs, two at a time, and ends with a table, and the line "N passed, N failed". With
# --long, which is "make check-long", there are more jobs, and loops are ten times as long.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/kernels.sh"
. "$top/scripts/results.sh"
set -e

# Longest first: the jobs that come last fill the gaps.
all_jobs=(debug-1 debug-2 debug-3 debug-5 debug-4 stock kunit-debug programs direct-debug vms
	direct-stock nic-stock hostile static kunit-uml tools)
long_jobs=(nic-debug load kcsan clang coverage)
# A job that runs longer than this has hung; its own limits are much shorter.
job_limit=2400
scale=1

if [ "${1:-}" = --long ]; then
	shift
	job_limit=15000 scale=10
	all_jobs+=("${long_jobs[@]}")
fi
case "${1:-}" in
sparse | checkpatch | coccicheck)
	exec "$top/scripts/static.sh" "$@"
	;;
esac
[ $# -gt 0 ] || set -- "${all_jobs[@]}"
for job; do
	case " ${all_jobs[*]} " in
	*" $job "*) ;;
	*) die "no such job: $job; there are: ${all_jobs[*]}" ;;
	esac
done

out=$cache/check
mkdir -p "$out"
exec {lock}>"$out/lock"
flock -n "$lock" || die "another check is running with this cache ($cache)"

work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-check.XXXXXX")

summed=no
# Whoever stops the check stops its guests, too.
kill_tree() {
	local child

	tr ' ' '\n' 2>/dev/null <"/proc/$1/task/$1/children" | while read -r child; do
		kill_tree "$child"
	done
	kill "$1" 2>/dev/null || true
}

cleanup() {
	local pid

	for pid in $(jobs -pr); do
		kill_tree "$pid"
	done
	rm -rf "$work"
	# What did not get as far as its tests has not passed.
	[ $summed = yes ] || echo "0 passed, 1 failed"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

wanted() {
	printf '%s\n' "${jobs[@]}" | grep -qxE "$1"
}
jobs=("$@")

# --- what the jobs need ------------------------------------------------------------------

need "building modules and test programs" build-essential linux-source-6.1 xz-utils
need "the guests' file systems, and QEMU" qemu-system-x86 busybox-static cpio kmod
stock=$(stock_release) || die "no stock kernel"
say "the stock kernel is $stock; the cache is $cache"
if wanted '(debug-.|.*-debug|hostile|static)'; then
	"$top/scripts/build-kernel.sh" debug >/dev/null || die "cannot build the debug kernel"
fi
if wanted kcsan; then
	"$top/scripts/build-kernel.sh" kcsan >/dev/null || die "cannot build the kernel with KCSAN"
fi
if wanted kunit-uml; then
	"$top/scripts/build-kernel.sh" uml >/dev/null || die "cannot build user-mode Linux"
fi

module_for() {
	local log=$out/build-$1.log

	run_quiet "building the modules for the $1 kernel" "$log" \
		"$top/scripts/build-module.sh" "$1" "$out/module-$1" || die "no module to test"
}

if wanted 'debug-.|nic-debug|direct-debug|hostile'; then module_for debug; fi
if wanted kcsan; then module_for kcsan; fi
if wanted 'stock|programs|load|.*-stock|vms'; then module_for stock; fi
if wanted programs; then "$top/scripts/programs.sh" --fetch || exit 1; fi
if wanted 'nic-.*|vms|hostile'; then "$top/scripts/nic.sh" --stage >/dev/null || exit 1; fi
if wanted vms; then "$top/scripts/nic-sockets.sh" --fetch >/dev/null || exit 1; fi
if wanted 'debug-.|stock|load|kcsan|direct-.*'; then
	run_quiet "building the test programs" "$out/selftests.log" \
		make -j"$(nproc)" -C "$top/selftests" OUTPUT="$out/selftests" || die "no tests to run"
	mapfile -t tests < <(make -s -C "$top/selftests" OUTPUT="$out/selftests" list)
	mapfile -t companions < <(make -s -C "$top/selftests" OUTPUT="$out/selftests" files)
	# A debug kernel under emulation is ten times slower, and another guest runs beside it.
	limit=$(($(sed -n 's/^timeout=//p' "$top/selftests/settings") * 3))
fi

# --- the jobs ----------------------------------------------------------------------------

# guest_results JOB STATUS: from what a guest printed, and the status of vm.sh
guest_results() {
	collect "$1" 0 <"$out/$1.tap" >"$work/$1.results"
	if [ "$2" != 0 ]; then
		echo "fail $1 kernel-log (status $2 of vm.sh)" >>"$work/$1.results"
	fi
}

# selftests JOB KERNEL MIB PROGRAM...
selftests() {
	local job=$1 kernel=$2 memory=$3 p status=0 args=() faults=0 loops=$scale proto=newproto
	shift 3

	# Where faults can be injected a test that does not is no test. The kernel that looks
	# for races is there to be met once.
	case $kernel in
	debug) faults=1 ;;
	kcsan) loops=1 ;;
	esac

	case $job in
	direct-*)
		proto=nic
		args+=(-M "$out/module-$kernel/npnic.ko")
		;;
	esac
	for p in "$@" "${companions[@]}"; do
		args+=(-f "$out/selftests/$p:/test/$p")
	done
	# The module's caches by themselves, so that what is left in them can be counted; and
	# with bytes in new objects that are seen if a program is handed them.
	args+=(-a "slab_nomerge slub_debug=P,newproto_*,NEWPROTO*")
	"$top/scripts/vm.sh" -k "$kernel" -s 2 -m "$memory" -t $((job_limit - 60)) \
		-o "$out/$job.console" -M "$out/module-$kernel/newproto.ko" -M sctp -M dummy \
		-e NEWPROTO_TEST_SCALE=$loops -e NEWPROTO_TEST_FAULTS=$faults \
		-e NEWPROTO_TEST_PROTO=$proto \
		"${args[@]}" "$top/scripts/guest/run-tests.sh" newproto $((limit * loops)) "${@/#/./}" \
		>"$out/$job.tap" || status=$?
	guest_results "$job" $status
}

# What nobody here wrote.
programs() {
	local status=0

	"$top/scripts/programs.sh" --module "$out/module-stock/newproto.ko" \
		--log "$out/programs.console" >"$out/programs.tap" || status=$?
	guest_results programs $status
}

# npnic between the namespaces of a guest, and between guests.
nic() { # JOB KERNEL [--rings]
	local status=0

	NEWPROTO_TEST_SCALE=$scale NEWPROTO_NIC_LIMIT=$(((job_limit - 60) / 2)) \
		"$top/scripts/nic.sh" --kernel "$2" ${3:+"$3"} --modules "$out/module-$2" \
		--log "$out/$1.console" >"$out/$1.tap" || status=$?
	guest_results "$1" $status
}

# npnic between guests: all tests, or TEST...
vms() { # JOB KERNEL TEST...
	local job=$1 kernel=$2 status=0
	shift 2

	NEWPROTO_TEST_SCALE=$scale timeout -k 10 $((job_limit - 60)) "$top/scripts/nic-vms.sh" \
		--kernel "$kernel" --modules "$out/module-$kernel" --log "$out/$job.console" "$@" \
		>"$out/$job.tap" || status=$?
	guest_results "$job" $status
}

# What the debug kernel leaves out if there is little time: the calls at the other doors,
# which take the same ways as at the first two, and while data flows, or of datagrams; messages of every length; and what is about
# being the same as TCP, UDP and their groups in every combination. The distribution's kernel
# has them all, and alone the crowd of connections.
at_length='calls_doors|calls_data|calls_data_doors|dgram_calls|badmsg|diff|group_bind'
debug_tests() {
	printf '%s\n' "${tests[@]}" | if [ $scale = 1 ]; then
		grep -vxE "$at_length|load"
	else
		grep -vx load
	fi
}

# 100,000 connections want a guest of their own, with more memory.
stock_tests() {
	printf '%s\n' "${tests[@]}" | if [ $scale = 1 ]; then
		cat
	else
		grep -vx load
	fi
}

# The debug kernel's work is shared by five guests: calls takes as long as many of the others
# together, and what moves, or waits for a grace time, takes its time.
share_of() {
	local first='calls|stress|proc|signals|modload.sh|dgram.*'
	local third='group_(dgram.*|bpf|loss|bind)' fourth='group|group_.*'
	local fifth='race_.*|fault.*|usercopy.*|bad.*|sigstorm|cycles'

	case $1 in
	debug-1) debug_tests | grep -xE "$first" ;;
	debug-2) debug_tests | grep -vxE "$first|$fourth|$fifth" ;;
	debug-3) debug_tests | grep -xE "$third" ;;
	debug-4) debug_tests | grep -xE "$fourth" | grep -vxE "$third" ;;
	debug-5) debug_tests | grep -xE "$fifth" ;;
	esac
}

# The stream tests once more, over a pair of npnic devices. If there is little time, those that
# are about bytes, waiting and ends, and none that takes long.
direct_tests() {
	local short='data|flow|poll|edge|conn|backlog|regress|race_(close|accept|shutdown)'

	[ "$1" = debug ] || short+='|uring|opts|signals|stress|usercopy|group_(move|loss)|race_.*'
	make -s -C "$top/selftests" OUTPUT="$out/selftests" nic-list | if [ $scale = 1 ]; then
		grep -xE "$short"
	else
		cat
	fi
}

# What has several threads or processes at the same socket, or at the same port.
racing='race_.*|stress|flow|poll|signals|dgram_(stress|wait|queue)|seqpacket_flow|sigstorm'
racing+='|group_(loss|move|dgram_race|silent|bpf)'

tools_tests() {
	local status=0

	make -C "$top/tools" O="$out/tools" check >"$out/tools.log" 2>&1 || status=$?
	{
		echo "@@test tools"
		cat "$out/tools.log"
		echo "@@end tools $status 0"
		echo "@@complete"
	} | collect tools 0 >"$work/tools.results"
}

# It fails where it says so; the tests have results of their own in the other jobs.
coverage() {
	local verdict=fail

	NEWPROTO_COVERAGE_LIMIT=$((job_limit - 300)) "$top/scripts/coverage.sh" >"$out/coverage.txt" &&
		verdict=pass
	cat "$out/coverage.txt" >&2
	sed -n 's/^all  */coverage: /p' "$out/coverage.txt" >"$work/coverage.sum"
	echo "$verdict coverage lines_and_labels" >"$work/coverage.results"
}

run_job() {
	export NEWPROTO_RESULTS=$work/$1.results

	case $1 in
	debug-?)
		mapfile -t tests < <(share_of "$1")
		selftests "$1" debug 1024 "${tests[@]}"
		;;
	stock)
		mapfile -t tests < <(stock_tests)
		selftests stock stock 1024 "${tests[@]}"
		;;
	load)
		selftests load stock 4096 load
		;;
	kcsan)
		mapfile -t tests < <(printf '%s\n' "${tests[@]}" | grep -xE "$racing")
		selftests kcsan kcsan 1024 "${tests[@]}"
		;;
	programs)
		programs
		;;
	direct-*)
		mapfile -t tests < <(direct_tests "${1#direct-}")
		selftests "$1" "${1#direct-}" 1024 "${tests[@]}"
		;;
	nic-debug)
		nic nic-debug debug --rings
		;;
	nic-stock)
		nic nic-stock stock
		;;
	vms)
		vms vms stock
		;;
	hostile)
		vms hostile debug hostile
		;;
	static)
		"$top/scripts/static.sh" >/dev/null || true
		;;
	kunit-*)
		"$top/scripts/kunit.sh" "${1#kunit-}" >/dev/null || true
		;;
	clang)
		"$top/scripts/static.sh" clang >/dev/null || true
		;;
	coverage)
		coverage
		;;
	tools)
		tools_tests
		;;
	esac
}

# What a job says is shown when it ends, in one piece.
job() {
	local start=$SECONDS status=0

	(run_job "$1") >"$work/$1.log" 2>&1 || status=$?
	: >"$work/$1.ended"
	if [ $status != 0 ] || [ ! -s "$work/$1.results" ]; then
		echo "fail $1 (the job itself failed, status $status)" >>"$work/$1.results"
	fi
	if grep -q ^fail "$work/$1.results"; then
		cat "$work/$1.log" >&2
	fi
	echo $((SECONDS - start)) >"$work/$1.seconds"
	say "$1: $(grep -c ^pass "$work/$1.results") passed," \
		"$(grep -c ^fail "$work/$1.results") failed in $((SECONDS - start)) s"
}

# A sign of life: at which program the guests are.
sign_of_life() {
	local name

	while sleep 30; do
		for name in "${jobs[@]}"; do
			[ -e "$work/$name.log" ] || continue
			[ ! -e "$work/$name.ended" ] || continue
			say "$name: still running" "$(sed -n 's/^@@test/at/p' "$out/$name.tap" \
				2>/dev/null | tail -n 1)"
		done
	done
}

# What was run, and what was left out of it.
table() {
	local name results

	printf '%-12s %8s %8s %8s %8s\n' job passed failed skipped seconds
	for name in "${jobs[@]}"; do
		results=$work/$name.results
		printf '%-12s %8d %8d %8d %8d\n' "$name" "$(grep -c ^pass "$results")" \
			"$(grep -c ^fail "$results")" "$(grep -c ^skip "$results")" \
			"$(cat "$work/$name.seconds" 2>/dev/null || echo 0)"
	done
	[ ! -e "$work/coverage.sum" ] || cat "$work/coverage.sum"
	if [ $scale = 1 ]; then
		echo "Loops were a tenth as long as in make check-long, which also runs" \
			"${at_length//|/, } on the debug kernel and the jobs ${long_jobs[*]}."
	fi
}

say "jobs: ${jobs[*]}"
rm -f "$out"/*.tap
sign_of_life &
ticker=$!
running=0 pids=()
for name in "${jobs[@]}"; do
	if [ $running = 2 ]; then
		wait -n || true
		running=$((running - 1))
	fi
	say "$name: started"
	job "$name" &
	pids+=($!)
	running=$((running + 1))
done
wait "${pids[@]}" || true
kill_tree $ticker

# --- the sum -----------------------------------------------------------------------------

for name in "${jobs[@]}"; do
	[ -s "$work/$name.results" ] || echo "fail $name (no result)" >"$work/$name.results"
done
grep -h ^time "$work"/*.results | sort -k 4 -n -r | head -n 5 |
	sed 's/^time \([^ ]*\) \([^ ]*\) \(.*\)/slowest: \1 \2 \3 s/' >&2 || true
for name in "${jobs[@]}"; do
	cat "$work/$name.results"
done | grep -v ^time >"$work/all"
say "logs of the guests: $out/*.console, *.tap"
table
summed=yes
show_results <"$work/all"
