#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vms.sh: boot some virtual machines that share a fabric, and run a script in each.

. "$(dirname "$0")/lib.sh"
set -e

usage() {
	cat <<'END'
usage: vms.sh [options] SCRIPT [ARGUMENT...]

Each machine is one of vm.sh, which has all options that are not listed here, and has
QEMU's ivshmem-doorbell at a newproto-fabricd of this tree. In SCRIPT, $NP_VM is the
machine's number, from 1, $NP_VMS how many there are, $NP_BOOT how often this one has been
started. What machine 1 prints appears with "vm1: " before each line. vms.sh exits with
the largest exit status of vm.sh; that of a machine which was killed on purpose is 0.

  -n N           how many machines (default 2)
  -p PEERS       slots of the fabric (default 4)
  -S SIZE        its size (default 64M)
  -Q QUEUES      its queues (default 4)
  -N             a virtio-net of the first two machines, joined by QEMU's stream netdev
  -q ARGS        more QEMU arguments for all; several times
  -qN ARGS       for machine N alone; several times. In both, @VM@ stands for the
                 machine's number and @DIR@ for a directory that all of them share
  -t SECONDS     time limit of each start of a machine (default 300)
  -o FILE        the kernels' logs: FILE.vm1, ...; with .2 and so on from the second start

A machine speaks to the host by lines that it prints, and gets answers, lines as well, from
/dev/ttyS2. The file host.sh is in the guest's /test and has functions for both; source it
first, as what comes before the line is opened is lost. After "@@host COMMAND" the answer
is "done COMMAND" when it is done, or "failed COMMAND" (the reason is on stderr):

  @@host barrier NAME      when all machines that run have said this: "go NAME" to each
  @@host tell I LINE       LINE to machine I, without an answer
  @@host kill I            machine I is gone (SIGKILL)
  @@host restart I         it has been killed, if it ran, and is started again
  @@host stop I            it is frozen (SIGSTOP)
  @@host cont I            it goes on
  @@host freeze I SECONDS  both; the answer comes when it goes on
  @@host unplug I          its fabric device is gone, and with it its connection; QEMU 7.2
                           may abort if another one has left since it was started
  @@host plug I            it has one again
  @@host server-kill       the fabric server is gone (SIGKILL)
  @@host server-start      there is a new one, with a new fabric
END
}

count=2 peers=4 size=64M queues=4 virtio=no kernel=stock log=''
options=() qargs=()
declare -A qargs_of=()

while [ $# -gt 0 ]; do
	case $1 in
	-[npSQkRsmfMeaqcito] | -q[0-9])
		[ $# -ge 2 ] || die "vms.sh: $1 needs a value"
		;;
	esac
	case $1 in
	-n) count=$2 ;;
	-p) peers=$2 ;;
	-S) size=$2 ;;
	-Q) queues=$2 ;;
	-q) qargs+=("$2") ;;
	-q[0-9]) qargs_of[${1#-q}]+=" $2" ;;
	-o) log=$2 ;;
	-k) kernel=$2 && options+=("$1" "$2") ;;
	-[RsmfMeacit]) options+=("$1" "$2") ;;
	-N) virtio=yes && shift && continue ;;
	--no-klog) options+=("$1") && shift && continue ;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && exit 2 ;;
	*) break ;;
	esac
	shift 2
done
if [ $# = 0 ]; then
	usage >&2
	exit 2
fi
[[ $count =~ ^[1-9]$ ]] || die "vms.sh: -n $count: from 1 to 9 machines"
[[ $queues =~ ^[0-9]+$ ]] || die "vms.sh: -Q $queues: not a number"
[ "$kernel" != uml ] || die "vms.sh: user-mode Linux has no PCI"
script=("$@")

work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-vms.XXXXXX")
mkdir "$work/barrier"
vms=()
for ((i = 1; i <= count; i++)); do
	vms+=("$i")
done

# Ends what runs, by id, and waits for it: vm.sh has files of its own to remove.
# shellcheck disable=SC2317 # the trap calls it
cleanup() {
	local i

	set +e
	for i in "${vms[@]}"; do
		rm -f "$work/alive.$i"
		kill -TERM "$(cat "$work/vm.$i" 2>/dev/null || echo none)" 2>/dev/null
	done
	for i in "${vms[@]}"; do
		kill_pid "$work/qemu.$i"
	done
	kill_pid "$work/server"
	wait
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

pid_of() {
	cat "$1" 2>/dev/null
}

# A process that is not ours to wait for: it is gone, or nobody has waited for it yet.
# shellcheck disable=SC2317 # by way of until_so
has_ended() {
	! grep -qs '^State:[[:space:]]*[^ZX]' "/proc/$1/status"
}

# Until COMMAND succeeds, for at most a minute.
until_so() {
	local n

	for ((n = 0; n < 600; n++)); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

kill_pid() { # FILE
	local pid

	pid=$(pid_of "$1") && [ -n "$pid" ] || return 1
	kill -KILL "$pid" 2>/dev/null || true
	until_so has_ended "$pid"
	rm -f "$1"
}

# --- the fabric ---------------------------------------------------------------------------

server_start() {
	: >"$work/server.log"
	"$work/newproto-fabricd" --socket "$work/fabric" --size "$size" --peers "$peers" \
		--queues "$queues" --daemon --pidfile "$work/server" 2>>"$work/server.log" ||
		return 1
}

# --- machines -----------------------------------------------------------------------------

# The answer: opened for both directions, a FIFO never blocks. QEMU reads as the guest does.
reply() { # VM TEXT...
	local i=$1
	shift

	[ ! -p "$work/tty.$i.in" ] || printf '%s\n' "$*" 1<>"$work/tty.$i.in"
}

vm_qemu_args() { # VM
	local i=$1 all

	all="-chardev pipe,id=host,path=$work/tty.$i -serial chardev:host"
	all+=" -chardev pipe,id=qmp,path=$work/qmp.$i -mon chardev=qmp,mode=control"
	# An Ethernet address that stays.
	all+=" -uuid 6e6f7465-0000-4000-8000-00000000000$i"
	all+=" -pidfile $work/qemu.$i -device pcie-root-port,id=port0,chassis=1"
	all+=" -chardev socket,path=$work/fabric,id=fabric"
	all+=" -device ivshmem-doorbell,id=fabric0,bus=port0,vectors=$((queues + 2)),chardev=fabric"
	if [ $virtio = yes ] && [ "$i" -le 2 ]; then
		all+=" -netdev stream,id=net,addr.type=unix,addr.path=$work/net"
		all+=",server=$([ "$i" = 2 ] && echo off || echo on)"
		all+=" -device virtio-net-pci,netdev=net,mac=52:54:00:00:00:0$i"
	fi
	all+=" ${qargs[*]} ${qargs_of[$i]:-}"
	all=${all//@VM@/$i}
	echo "${all//@DIR@/$work}"
}

# Everything that a machine says, until it ends.
listen() { # VM
	local i=$1 line words

	while IFS= read -r line; do
		case $line in
		'@@host barrier '*)
			arrive "$i" "${line#@@host barrier }"
			;;
		'@@host tell '[1-9]' '*)
			line=${line#@@host tell }
			reply "${line%% *}" "${line#* }"
			;;
		'@@host '*)
			read -ra words <<<"${line#@@host }"
			obey "$i" "${words[@]}" </dev/null &
			;;
		*)
			printf 'vm%d: %s\n' "$i" "$line"
			;;
		esac
	done
}

# One life of a machine. Fresh FIFOs: nothing of the last life is in them.
boot() { # VM BOOT
	local i=$1 boot=$2 args=("${options[@]}") f

	for f in tty qmp; do
		rm -f "$work/$f.$i".{in,out}
		mkfifo "$work/$f.$i".{in,out}
	done
	# QEMU ends if there is nobody to connect to.
	[ "$virtio$i" != yes2 ] || until_so test -S "$work/net"
	if [ -n "$log" ]; then
		f=$log.vm$i
		[ "$boot" = 1 ] || f+=.$boot
		args+=(-o "$f")
	fi
	# shellcheck disable=SC2016 # for the inner shell
	sh -c 'echo $$ >"$0"; exec "$@"' "$work/vm.$i" "$top/scripts/vm.sh" "${args[@]}" \
		-q "$(vm_qemu_args "$i")" -f "$top/scripts/guest/host.sh" -e NP_VM="$i" \
		-e NP_VMS="$count" -e NP_BOOT="$boot" "${script[@]}" 2>"$work/err.$i" | listen "$i"
	return "${PIPESTATUS[0]}"
}

# All lives of a machine. One that was killed may be wanted again, while others run.
run_vm() { # VM
	local i=$1 boot=0 status

	while :; do
		boot=$((boot + 1)) status=0
		boot "$i" $boot || status=$?
		(
			flock 9
			[ -e "$work/killed.$i" ] || rm -f "$work/alive.$i"
			open_barriers
		) 9>"$work/lock"
		if [ ! -e "$work/killed.$i" ]; then
			sed "s/^/vm$i: /" "$work/err.$i" >&2
			return $status
		fi
		while [ ! -e "$work/restart.$i" ]; do
			nobody_runs && return 0
			sleep 0.2
		done
		rm -f "$work/restart.$i" "$work/killed.$i"
	done
}

nobody_runs() {
	local i

	for i in "${vms[@]}"; do
		[ ! -e "$work/alive.$i" ] || return 1
	done
}

# --- what machines ask for ----------------------------------------------------------------

arrive() { # VM NAME
	(
		flock 9
		mkdir -p "$work/barrier/$2"
		: >"$work/barrier/$2/$1"
		open_barriers
	) 9>"$work/lock"
}

# Those that everybody has come to who runs. Under the lock.
open_barriers() {
	local barrier i all

	for barrier in "$work/barrier"/*; do
		[ -d "$barrier" ] || continue
		all=yes
		for i in "${vms[@]}"; do
			[ ! -e "$work/alive.$i" ] || [ -e "$barrier/$i" ] || all=no
		done
		[ $all = yes ] || continue
		for i in "$barrier"/*; do
			reply "${i##*/}" "go ${barrier##*/}"
		done
		rm -r "$barrier"
	done
}

kill_vm() { # VM
	(
		flock 9
		: >"$work/killed.$1"
		rm -f "$work/alive.$1" "$work/barrier"/*/"$1"
		until_so test -s "$work/qemu.$1" && kill_pid "$work/qemu.$1" && open_barriers
	) 9>"$work/lock"
}

restart_vm() { # VM
	[ ! -e "$work/alive.$1" ] || kill_vm "$1" || return 1
	[ -e "$work/killed.$1" ] || {
		say "vms.sh: restart: machine $1 has ended by itself"
		return 1
	}
	: >"$work/alive.$1"
	: >"$work/restart.$1"
	until_so test -s "$work/qemu.$1"
}

signal_vm() { # SIGNAL VM
	until_so test -s "$work/qemu.$2" && kill "-$1" "$(pid_of "$work/qemu.$2")"
}

freeze_vm() { # VM SECONDS
	signal_vm STOP "$1" && sleep "$2" && signal_vm CONT "$1"
}

# A line of QEMU's that has WANTED in it, within 20 seconds. Other answers and events that
# are still there are of no interest.
qmp_wait() { # FD WANTED
	local line

	while IFS= read -r -t 20 line <&"$1"; do
		case $line in
		*"$2"*'"error"'* | *'"error"'*"$2"*) echo "QEMU: $line" && return 1 ;;
		*"$2"*) return 0 ;;
		esac
	done
	echo "QEMU has not said $2"
	return 1
}

# Commands to QEMU, one after the other, and then until it tells of EVENT, if there is one.
qmp() { # VM EVENT COMMAND...
	local i=$1 event=$2 command nr=0 in out status=0
	shift 2

	exec {in}<>"$work/qmp.$i.in" {out}<>"$work/qmp.$i.out"
	for command in '"qmp_capabilities"' "$@"; do
		nr=$((nr + 1))
		printf '{"execute":%s,"id":"%s"}\n' "$command" "$BASHPID.$nr" >&"$in"
		# That the first one is known already is an error that is none.
		if [ $nr = 1 ]; then
			qmp_wait "$out" "\"$BASHPID.$nr\"" >/dev/null
		elif ! qmp_wait "$out" "\"$BASHPID.$nr\""; then
			status=1 && break
		fi
	done
	[ $status = 1 ] || [ -z "$event" ] || qmp_wait "$out" "\"$event\"" || status=1
	exec {in}>&- {out}>&-
	return $status
} >"$work/qmp.$1.said"

# QEMU (7.2) goes on listening at the numbers of the eventfds that the device had, with what is
# left of its memory. Sockets that nobody connects to take these numbers before others do.
fill_numbers() { # VM
	local n commands=() backend socket

	for ((n = 0; n < peers * (queues + 2) + 2; n++)); do
		socket=$work/none.$1.$BASHPID.$n
		backend="{\"type\":\"socket\",\"data\":{\"server\":true,\"wait\":false,\"addr\":"
		backend+="{\"type\":\"unix\",\"data\":{\"path\":\"$socket\"}}}}"
		commands+=("\"chardev-add\",\"arguments\":{\"id\":\"none.$BASHPID.$n\",\"backend\":$backend}")
	done
	qmp "$1" '' "${commands[@]}"
}

# The device first, and the guest has a say in that. QEMU takes a moment until it is done with
# the connection.
unplug_vm() { # VM
	qmp "$1" DEVICE_DELETED '"device_del","arguments":{"id":"fabric0"}' && fill_numbers "$1" &&
		until_so qmp "$1" '' '"chardev-remove","arguments":{"id":"fabric"}' && return 0
	cat "$work/qmp.$1.said" >&2
	return 1
}

plug_vm() { # VM
	local addr="\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$work/fabric\"}}"
	local backend="{\"type\":\"socket\",\"data\":{$addr,\"server\":false}}"
	local device='"driver":"ivshmem-doorbell","id":"fabric0","bus":"port0","chardev":"fabric"'

	qmp "$1" '' "\"chardev-add\",\"arguments\":{\"id\":\"fabric\",\"backend\":$backend}" \
		"\"device_add\",\"arguments\":{$device,\"vectors\":$((queues + 2))}" && return 0
	cat "$work/qmp.$1.said" >&2
	return 1
}

# A command of machine ASKER.
obey() { # ASKER COMMAND [ARGUMENT...]
	local asker=$1 what=$2 status=0
	shift

	set +e
	case $what in
	kill | restart | stop | cont | freeze | unplug | plug)
		[[ ${2:-} =~ ^[1-9]$ ]] && [ "$2" -le "$count" ] || what=''
		;;
	esac
	case $what in
	kill) kill_vm "$2" ;;
	restart) restart_vm "$2" ;;
	stop) signal_vm STOP "$2" ;;
	cont) signal_vm CONT "$2" ;;
	freeze) freeze_vm "$2" "${3:-5}" ;;
	unplug) unplug_vm "$2" ;;
	plug) plug_vm "$2" ;;
	server-kill) kill_pid "$work/server" ;;
	server-start) server_start ;;
	*) say "vms.sh: vm$asker wants the host to: $*" && false ;;
	esac || status=1
	if [ $status = 0 ]; then
		reply "$asker" "done $*"
	else
		say "vms.sh: vm$asker: failed: $*"
		reply "$asker" "failed $*"
	fi
}

# --- all together -------------------------------------------------------------------------

# Kernels, packages and the accelerator are settled once, and not by all at a time.
accel=()
for ((i = 0; i < ${#options[@]}; i++)); do
	case ${options[i]} in
	-[kRci]) accel+=("${options[i]}" "${options[i + 1]}") ;;
	esac
done
"$top/scripts/vm.sh" "${accel[@]}" --accel >/dev/null || die "vms.sh: no kernel"
make -s -C "$top/tools" O="$work" "$work/newproto-fabricd" >"$work/make.log" || {
	cat "$work/make.log"
	die "vms.sh: the fabric server cannot be built"
}
server_start || {
	cat "$work/server.log" >&2
	die "vms.sh: no fabric server"
}

runners=()
for i in "${vms[@]}"; do
	: >"$work/alive.$i"
done
for i in "${vms[@]}"; do
	run_vm "$i" &
	runners+=($!)
done
worst=0
for i in "${runners[@]}"; do
	status=0
	wait "$i" || status=$?
	[ $status -le $worst ] || worst=$status
done
[ $worst = 0 ] || sed 's/^/fabric: /' "$work/server.log" >&2
exit $worst
