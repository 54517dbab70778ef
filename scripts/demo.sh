#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# demo.sh: what the family is for, seen with real programs. Boots the distribution's kernel in a
# virtual machine, loads the module there, and runs redis, nginx, iperf3 and a small C program over
# TCP loopback and over AF_NEWPROTO. See demo-guest.sh for what is run and how it is proved.
#
# Everything is kept in the cache, which the last line names; nothing is started or changed on this
# machine, except for missing build tools, which are installed as packages.

. "$(dirname "$0")/lib.sh"
set -e

usage="usage: demo.sh"
[ $# = 0 ] || { echo "$usage" >&2; exit 2; }

demo=$(out_dir demo)
stage=$demo/stage
# The servers are unpacked, not installed: installing them would start them here.
packages=(redis-server redis-tools nginx apache2-utils iperf3 wget)
programs=(redis-server redis-benchmark nginx ab iperf3 wget)

# apt with lists and archives of its own, so that it needs no root and changes nothing.
own_apt() {
	mkdir -p "$demo/apt/lists/partial" "$demo/apt/archives/partial"
	apt-get -q -o Dir::State::Lists="$demo/apt/lists" -o Dir::Cache="$demo/apt" \
		-o APT::Sandbox::User="$(id -un)" "$@"
}

# Fetches the packages that are not installed, with the libraries that they need. What is
# installed (a library, or a program itself) is taken from this machine.
fetch_packages() {
	local missing deb

	own_apt update || return
	missing=$(own_apt -s install --no-install-recommends "${packages[@]}" |
		sed -n 's/^Inst \([^ ]*\) .*/\1/p') || return
	rm -rf "$demo/unpacked" "$demo/unpacking"
	mkdir -p "$demo/unpacking"
	# shellcheck disable=SC2086 # a list of names
	[ -z "$missing" ] || (cd "$demo/apt" && own_apt download $missing) || return
	for deb in "$demo"/apt/*.deb; do
		[ ! -e "$deb" ] || dpkg-deb -x "$deb" "$demo/unpacking" || return
	done
	mv "$demo/unpacking" "$demo/unpacked"
	rm -rf "$demo/apt"
}

# The unpacked program, or this machine's own.
find_program() {
	local dir

	for dir in "$demo/unpacked/usr/bin" "$demo/unpacked/usr/sbin" /usr/bin /usr/sbin /bin; do
		if [ -x "$dir/$1" ]; then
			echo "$dir/$1"
			return
		fi
	done
	return 1
}

have_programs() {
	local p

	for p in "${programs[@]}"; do
		find_program "$p" >/dev/null || return
	done
}

get_programs() {
	have_programs && return
	say "missing: some of ${packages[*]}, needed for: showing programs that everybody knows;" \
		"they are unpacked into the cache, not installed"
	run_quiet "fetching Debian packages" "$demo/apt.log" fetch_packages ||
		die "cannot fetch ${packages[*]}; is there a network?"
	have_programs || die "not all of ${programs[*]} are in ${packages[*]}"
}

# For the guest: bin/ with the programs, lib/ with the libraries that came with them.
fill_stage() {
	local p

	rm -rf "$stage"
	mkdir -p "$stage/bin" "$stage/lib"
	for p in "${programs[@]}"; do
		cp -L "$(find_program "$p")" "$stage/bin/$p"
	done
	if [ -d "$demo/unpacked/usr/lib" ]; then
		find "$demo/unpacked/usr/lib" "$demo/unpacked/lib" -name '*.so.*' \
			-exec cp -L -t "$stage/lib" {} + 2>/dev/null || true
	fi
	cp "$demo"/tools/{newproto_run,newproto-preload.so,hello_newproto,hello_tcp} "$stage/bin/"
}

build_module() {
	"$top/scripts/build-module.sh" stock "$demo/module" >/dev/null
}

build() {
	need "building the module and the tools" gcc libc6-dev make
	run_quiet "building newproto.ko for the distribution's kernel" "$demo/module.log" \
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

get_programs
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
	-f "$demo/module/newproto.ko" -f "$stage:/demo" "$top/scripts/demo-guest.sh" | relay
status=${PIPESTATUS[0]}
say "left behind: $cache ($(du -sh "$demo" | cut -f 1) of it in demo/)"
[ "$status" = 0 ] || die "not everything worked; the guest's kernel log: $demo/console.log"
