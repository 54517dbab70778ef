#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# programs.sh [--fetch] [--module FILE] [--log FILE] [PROGRAM...]: programs that nobody here wrote,
# over AF_NEWPROTO, in a guest with the distribution's kernel. Prints TAP for tap.awk; "make check"
# runs it as its job "programs". See programs-guest.sh for what is run, and how it is known who
# carried it. --fetch: only fetch the packages. FILE: newproto.ko, and where the guest's kernel log
# goes.

. "$(dirname "$0")/lib.sh"
. "$top/scripts/unpack.sh"
set -e

out=$(out_dir programs)
module='' log=$out/console.log fetch_only=no
while :; do
	case ${1:-} in
	--fetch) fetch_only=yes && shift && continue ;;
	--module) module=${2:?} ;;
	--log) log=${2:?} ;;
	-*) die "programs.sh: no such option: $1" ;;
	*) break ;;
	esac
	shift 2
done

stage=$out/stage
page=$top/Documentation/networking/newproto-groups.rst
programs=(sockperf memcached socat iperf3 stress-ng nginx ab redis-server redis-cli python3.11)
# Python's parts by name, so that they are of one version.
packages=(sockperf memcached socat iperf3 stress-ng nginx apache2-utils redis-server redis-tools
	python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libpython3.11-testsuite)
limit=1200

# Python's library and, of its tests, the one for sockets. It is compiled here rather than under
# emulation; what cannot be compiled here is compiled there.
stage_python() {
	local from=$out/unpacked/usr/lib/python3.11 to=$stage/python

	mkdir -p "$to/test"
	tar -C "$from" -c --exclude=./test --exclude=./sitecustomize.py --exclude='./config-*' \
		--exclude=./idlelib --exclude=./lib2to3 --exclude=./tkinter \
		--exclude=./pydoc_data --exclude=./unittest/test --exclude=./ctypes/test . |
		tar -C "$to" -x
	cp -r "$from"/test/{__init__.py,support,test_socket.py} "$to/test/"
	PYTHONHOME=$out/unpacked/usr "$out/unpacked/usr/bin/python3.11" -m compileall -q \
		--invalidation-mode unchecked-hash "$to" >"$out/compile.log" 2>&1 || true
}

# bin/ with the programs, lib/ with the libraries that came with them.
fill_stage() {
	rm -rf "$stage"
	copy_programs "$out" "$stage/programs/bin" "${programs[@]}"
	stage_python
	copy_libraries "$out" "$stage/programs/lib" "$stage/programs/bin"/* \
		"$stage"/python/lib-dynload/*.so
	mv "$stage/programs/bin/python3.11" "$stage/python3.11"
	cp "$out"/tools/{newproto_run,newproto-preload.so} "$stage/programs/bin/"
}

unpack_packages "running programs that nobody here wrote" "$out" "${packages[@]}"
[ $fetch_only = no ] || exit 0
need "building the module and the tools" gcc libc6-dev make
if [ -z "$module" ]; then
	run_quiet "building newproto.ko for the distribution's kernel" "$out/module.log" \
		"$top/scripts/build-module.sh" stock "$out/module" || exit 1
	module=$out/module/newproto.ko
fi
mkdir -p "$out/tools"
run_quiet "building newproto_run" "$out/tools.log" make -C "$top/tools" O="$out/tools" demo
fill_stage

exec "$top/scripts/vm.sh" -k stock -s 2 -m 1024 -t $limit -o "$log" -f "$module" \
	-f "$stage/programs:/programs" -f "$stage/python3.11:/usr/bin/python3.11" \
	-f "$stage/python:/usr/lib/python3.11" -f "$top/scripts/programs-python.py" \
	-f "$top/scripts/programs-python.txt" -f "$top/scripts/programs-restart.sh" \
	-f "$top/scripts/programs-load.py" -f "$top/scripts/guest/nginx.sh" -f "$page" \
	"$top/scripts/programs-guest.sh" "$@"
