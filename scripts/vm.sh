#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# vm.sh: boot a kernel in QEMU with a root file system made on the fly, and run a script.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/kernels.sh"
set -e

usage() {
	cat <<'END'
usage: vm.sh [options] SCRIPT [ARGUMENT...]
       vm.sh [options] --shell

SCRIPT runs as root under busybox's sh in the guest, in the directory /test. What it
prints appears on stdout, the kernel's log goes to a file, and vm.sh exits with its
status, or with
  124  the guest did not finish in time
  125  the guest died (panic, or QEMU failed)
  126  SCRIPT succeeded, but the kernel's log has complaints (see klog.sh)

  -k KERNEL        stock: the newest Debian kernel installed (default; installed when
                   there is none); debug, kcsan or uml: those of build-kernel.sh
                   (built when there are none), the last without QEMU and with one CPU;
                   or the path of a bzImage
  -R DIR           where the modules of a kernel given by path are (DIR/lib/modules)
  -s N             virtual CPUs (default 2)
  -m MIB           memory (default 512)
  -f FILE[:DEST]   a file or directory of the host for the guest, with the shared
                   libraries that its programs need; without DEST, what is below /usr,
                   /bin, /sbin, /lib or /etc keeps its path, and all else goes to /test
  -M MODULE        a module for the guest's /lib/modules, to be loaded with modprobe: a
                   .ko file, or the name of one of the kernel's own (with what it needs)
  -e NAME=VALUE    environment of SCRIPT
  -a ARGS          more kernel arguments
  -q ARGS          more QEMU arguments
  -c CPU           QEMU's -cpu
  -i ICOUNT        count instructions: QEMU's -icount ICOUNT with one virtual CPU, fixed
                   clock and seed, so that two runs agree to the nanosecond
  -t SECONDS       time limit (default 300)
  -o FILE          the kernel's log (default: in the cache, named when it matters)
  --no-klog        do not judge the kernel's log
  --accel          only say which accelerator is used
END
}

kernel=stock modroot='' smp=2 mem=512 args='' cpu='' icount='' limit=300 log=''
klog=yes shell=no accel_only=no
files=() modules=() environment=() qargs=()

while [ $# -gt 0 ]; do
	case $1 in
	-[kRsmfMeaqcito])
		[ $# -ge 2 ] || die "vm.sh: $1 needs a value"
		;;
	esac
	case $1 in
	-k) kernel=$2 ;;
	-R) modroot=$2 ;;
	-s) smp=$2 ;;
	-m) mem=$2 ;;
	-f) files+=("$2") ;;
	-M) modules+=("$2") ;;
	-e) environment+=("$2") ;;
	-a) args=$2 ;;
	-q) read -ra qargs <<<"$2" ;;
	-c) cpu=$2 ;;
	-i) icount=$2 ;;
	-t) limit=$2 ;;
	-o) log=$2 ;;
	--no-klog) klog=no && shift && continue ;;
	--shell) shell=yes && shift && continue ;;
	--accel) accel_only=yes && shift && continue ;;
	-h | --help) usage && exit 0 ;;
	-*) usage >&2 && exit 2 ;;
	*) break ;;
	esac
	shift 2
done
if [ $# = 0 ] && [ $shell$accel_only = nono ]; then
	usage >&2
	exit 2
fi

need "making file systems for guests" busybox-static cpio kmod
[ "$kernel" = uml ] || need "booting kernels in a virtual machine" qemu-system-x86

# --- which kernel ------------------------------------------------------------------------

case $kernel in
stock)
	release=$(stock_release) || die "no stock kernel"
	image=/boot/vmlinuz-$release modroot=/
	;;
debug | kcsan | uml)
	dir=$("$top/scripts/build-kernel.sh" "$kernel") || die "no $kernel kernel"
	image=$dir/image modroot=$dir/modroot
	release=$(cat "$dir/build/include/config/kernel.release")
	;;
*)
	image=$kernel
	[ -r "$image" ] || die "vm.sh: cannot read the kernel $image"
	release=$(image_release "$image") || die "vm.sh: $image is no Linux kernel"
	;;
esac
[ -r "$image" ] || die "vm.sh: cannot read the kernel $image"

# --- the root file system ----------------------------------------------------------------

work=$(mktemp -d "${TMPDIR:-/tmp}/newproto-vm.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
root=$work/root

make_base() {
	local d name

	for d in bin dev etc lib/modules proc root run sbin sys test tmp usr/bin usr/sbin var/log \
		vm; do
		mkdir -p "$root/$d"
	done
	cp "$(command -v busybox)" "$root/bin/busybox"
	for name in $("$root/bin/busybox" --list); do
		[ "$name" = busybox ] || ln -s busybox "$root/bin/$name"
	done
	ln -s ../bin/modprobe "$root/sbin/modprobe"
	cp "$top/scripts/guest/init" "$root/init"
	chmod +x "$root/init"
	printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/sh' \
		'www-data:x:33:33:www-data:/:/bin/sh' 'redis:x:100:100:redis:/:/bin/sh' \
		>"$root/etc/passwd"
	printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' 'adm:x:4:' 'www-data:x:33:' 'redis:x:100:' \
		>"$root/etc/group"
	printf '%s\n' '127.0.0.1 localhost guest' '::1 localhost' >"$root/etc/hosts"
	printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' >"$root/etc/nsswitch.conf"
}

# The libraries of a program, at their own paths; ldd fails on what is not dynamic.
add_libraries() {
	local lib

	ldd "$1" 2>/dev/null | grep -oE '/[^ ]+' | while read -r lib; do
		[ ! -e "$root$lib" ] || continue
		mkdir -p "$root${lib%/*}"
		cp -L "$lib" "$root$lib"
	done
}

add_file() {
	local from=${1%%:*} to='' f

	case $1 in
	*:*) to=${1#*:} ;;
	/usr/* | /bin/* | /sbin/* | /lib/* | /etc/*) to=$from ;;
	*) to=/test/$(basename "$from") ;;
	esac
	[ -e "$from" ] || die "vm.sh: there is no $from for the guest"
	mkdir -p "$root$(dirname "$to")"
	# A busybox link of that name would make cp write into busybox.
	[ ! -L "$root$to" ] || rm "$root$to"
	if [ -d "$from" ]; then
		mkdir -p "$root$to"
		cp -aL "$from/." "$root$to/"
	else
		cp -L "$from" "$root$to"
	fi
	find -L "$from" -type f \( -perm -u+x -o -name '*.so*' \) | while read -r f; do
		add_libraries "$f"
	done
}

add_module() {
	local from tree=lib/modules/$release

	mkdir -p "$root/$tree/extra"
	case $1 in
	*.ko)
		[ -e "$1" ] || die "vm.sh: there is no module $1"
		# Debugging information is most of the file, and nobody reads it there.
		strip --strip-debug -o "$root/$tree/extra/${1##*/}" "$1"
		return
		;;
	esac
	[ -n "$modroot" ] || die "vm.sh: module $1: where are the modules of $kernel? (-R)"
	modprobe -d "$modroot" -S "$release" -D "$1" >"$work/depends" 2>&1 ||
		die "vm.sh: $kernel has no module $1: $(cat "$work/depends")"
	sed -n 's/^insmod \([^ ]*\).*/\1/p' "$work/depends" | while read -r from; do
		mkdir -p "$root/$tree/kernel"
		cp "$from" "$root/$tree/kernel/"
	done
}

make_initramfs() {
	local a

	make_base
	for a in "${files[@]}"; do add_file "$a"; done
	for a in "${modules[@]}"; do add_module "$a"; done
	if [ ${#modules[@]} -gt 0 ]; then
		for a in order builtin builtin.modinfo; do
			cp "$modroot/lib/modules/$release/modules.$a" \
				"$root/lib/modules/$release/" 2>/dev/null || true
		done
		depmod -b "$root" "$release"
	fi
	: >"$root/vm/env"
	for a in "${environment[@]}"; do
		printf 'export %q\n' "$a" >>"$root/vm/env"
	done
	if [ $shell = yes ]; then
		: >"$root/vm/shell"
	else
		[ -r "$1" ] || die "vm.sh: cannot read the script $1"
		cp "$1" "$root/vm/script"
		shift
		printf 'cd /test; exec sh /vm/script' >"$root/vm/run"
		[ $# = 0 ] || printf ' %q' "$@" >>"$root/vm/run"
	fi
	# Not compressed: QEMU loads it faster than a guest under TCG would unpack it.
	(cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/initramfs"
}

# --- QEMU --------------------------------------------------------------------------------

qemu() {
	local limit=$1 console=$2
	shift 2

	timeout --foreground -k 5 "$limit" \
		qemu-system-x86_64 -M q35 -m "$mem" -nodefaults -display none -no-reboot \
		-chardev "file,id=console,path=$console" -serial chardev:console \
		-chardev stdio,id=out,signal=off -serial chardev:out \
		-kernel "$image" "$@"
}

# User-mode Linux: a program. Its two serial lines are files that are already open.
uml() {
	local limit=$1 console=$2

	# shellcheck disable=SC2086 # one word for each argument
	TMPDIR=$work timeout --foreground -k 5 "$limit" "$image" mem="${mem}M" \
		initrd="$work/initramfs" uml_dir="$work/" console=ttyS0 con=null \
		ssl0=null,fd:3 ssl1=null,fd:4 $kernel_args $args 3>>"$console" 4>&1 >/dev/null
}

kernel_args="loglevel=7 panic=-1 oops=panic softlockup_panic=1"
# Stock 6.1 has data races of its own, and a report of one would be taken for a warning.
[ "$kernel" = kcsan ] || kernel_args+=" panic_on_warn=1"

# KVM in a nested or restricted machine may be there and not work, or crawl: only a guest
# that has run is believed. One verdict for each boot of the host.
kvm_works() {
	local verdict boot probe=$work/kvm
	boot=$(cat /proc/sys/kernel/random/boot_id)
	verdict=$cache/kvm/$boot-$(id -u)

	[ -w /dev/kvm ] || return 1
	if [ ! -e "$verdict" ]; then
		mkdir -p "$cache/kvm" "$probe/bin" "$probe/proc" "$probe/dev"
		cp "$(command -v busybox)" "$probe/bin/busybox"
		printf '%s\n' '#!/bin/busybox sh' '/bin/busybox mount -t devtmpfs dev /dev' \
			'echo guest-runs >/dev/ttyS1' '/bin/busybox poweroff -f' >"$probe/init"
		chmod +x "$probe/init"
		(cd "$probe" && find . | cpio -o -H newc -R 0:0 --quiet) >"$work/kvm.initramfs"
		if qemu 10 "$work/kvm.log" -accel kvm -cpu host -smp 1 -append "console=ttyS0 $kernel_args" \
			-initrd "$work/kvm.initramfs" </dev/null 2>&1 | grep -q guest-runs; then
			echo yes >"$verdict"
		else
			echo no >"$verdict"
			say "KVM does not run a guest here; using QEMU's own TCG"
		fi
	fi
	[ "$(cat "$verdict")" = yes ]
}

# QEMU 7's TCG corrupts the flags at cmpxchg16b, which kernels from 6.12 on trip over.
cx16() {
	[ "$(printf '%s\n' 6.12 "$release" | sort -V | head -n 1)" = 6.12 ] && echo ,-cx16
}

accelerator() {
	if [ -n "$icount" ]; then
		# A string instruction counts one for each byte; without erms the kernel
		# copies by words, which is closer to the time it takes.
		echo "-accel tcg,thread=single -cpu ${cpu:-max,-erms,-fsrm$(cx16)} -smp 1" \
			"-icount $icount -seed 1 -rtc base=2020-01-01T00:00:00,clock=vm"
	elif kvm_works; then
		echo "-accel kvm -cpu ${cpu:-host} -smp $smp"
	else
		echo "-accel tcg,thread=multi -cpu ${cpu:-max$(cx16)} -smp $smp"
	fi
}

accel=()
[ "$kernel" = uml ] || read -ra accel < <(accelerator)
if [ $accel_only = yes ]; then
	echo "${accel[*]}"
	exit 0
fi
[ -z "$icount" ] || kernel_args+=" nokaslr"

# The log of a run that went well is of interest only to who asked for it.
keep_log=yes
if [ -z "$log" ]; then
	mkdir -p "$cache/log"
	log=$cache/log/vm-$(basename "$kernel")-$$.console
	keep_log=no
fi
: >"$log"
make_initramfs "$@"

if [ $shell = yes ]; then
	say "the kernel's log: $log; leave with exit"
	saved=$(stty -g)
	stty raw -echo
	qemu 86400 "$log" "${accel[@]}" -initrd "$work/initramfs" "${qargs[@]}" \
		-append "console=ttyS0 $kernel_args $args" || true
	stty "$saved"
	exit 0
fi

: >"$work/out"
status=0
boot() {
	case $kernel in
	uml)
		uml "$limit" "$log"
		;;
	*)
		qemu "$limit" "$log" "${accel[@]}" -initrd "$work/initramfs" "${qargs[@]}" \
			-append "console=ttyS0 $kernel_args $args"
		;;
	esac
}
boot </dev/null 2>"$work/err" | tee -p "$work/out" | sed -u '/^@@vm /d' || true
status=${PIPESTATUS[0]}

# --- the verdict -------------------------------------------------------------------------

verdict=$(sed -n 's/^@@vm exit \([0-9]*\)$/\1/p' "$work/out" | tail -n 1)
if [ -z "$verdict" ]; then
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		say "vm.sh: the guest did not finish in $limit s; its log: $log"
		verdict=124
	else
		say "vm.sh: the guest died (status $status); its log: $log"
		verdict=125
	fi
	cat "$work/err" >&2
	"$top/scripts/klog.sh" "$log" | head -n 20 >&2
	say "vm.sh: the end of the log:"
	tail -n 30 "$log" >&2
	exit $verdict
fi
if [ $klog = yes ] && ! "$top/scripts/klog.sh" "$log" >"$work/complaints"; then
	say "vm.sh: the kernel complained; the whole log is in $log:"
	cat "$work/complaints" >&2
	[ "$verdict" != 0 ] || verdict=126
	keep_log=yes
fi
[ $keep_log = yes ] || rm -f "$log"
exit "$verdict"
