#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of newproto_run and its preload library, for the directory that they were built in:
#
#   tools/tests/NAME DIR
#
# TAP. They pass on a kernel without the family (the fallback is tested, and the mapping against a
# scripted socket()) and on one with it (SO_PROTOCOL must then say 258). Nothing but a POSIX shell
# and the usual small tools is needed, so they run in a guest that has busybox.

[ -x "$1/newproto_run" ] || { echo "usage: $0 DIR (where tools/ was built)" >&2; exit 2; }
built=$(cd "$1" && pwd)
run=$built/newproto_run
library=$built/newproto-preload.so
probe=$built/tests/socket_probe
scripted=$built/tests/scripted_socket.so
caps=$built/tests/file_caps
unset LD_PRELOAD SCRIPT SCRIPT_REUSEPORT SCRIPT_GRACE SCRIPT_TYPE SCRIPT_EARLY
unset NEWPROTO_DATAGRAMS NEWPROTO_REUSEPORT NEWPROTO_GRACE NEWPROTO_DEVICE
unset SCRIPT_DEVICE SCRIPT_DRIVER SCRIPT_DOWN

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
chmod 755 "$dir"

# shellcheck source=SCRIPTDIR/tap.sh
. "${0%/*}/tap.sh"

# A path as a pattern that fits it alone.
literally()
{
	echo "$1" | sed 's/[][\\.*^$+?(){}|]/\\&/g'
}

# The errno of NAME as the C library numbers it on Linux (asm-generic).
errno_of()
{
	case $1 in
	EPERM) echo 1 ;; ENOMEM) echo 12 ;; EACCES) echo 13 ;; EINVAL) echo 22 ;;
	ENODEV) echo 19 ;; ENFILE) echo 23 ;; EMFILE) echo 24 ;; ENOPROTOOPT) echo 92 ;;
	EPROTONOSUPPORT) echo 93 ;; ESOCKTNOSUPPORT) echo 94 ;; EOPNOTSUPP) echo 95 ;;
	EAFNOSUPPORT) echo 97 ;; ENOBUFS) echo 105 ;;
	esac
}

options()
{
	expect "--help" 0 '^Usage: newproto_run' "$run" --help
	expect "--version" 0 '^newproto_run [0-9]' "$run" --version
	expect "no program" 125 'no program given' "$run"
	expect "unknown option" 125 'newproto_run --help' "$run" --nonsense true
	expect "output that cannot be written" 125 'cannot write' \
		sh -c "'$run' --help >/dev/full"
	expect "the program's own exit code" 7 '' "$run" sh -c 'exit 7'
	expect "the program's own options" 0 '^--check -c$' "$run" echo --check -c
	expect "the end of options" 0 '^run$' "$run" -- echo run
	expect "no such program" 127 'nothing-of-this-name: No such file' \
		"$run" nothing-of-this-name
	echo text >"$dir/text"
	expect "a program that cannot be run" 126 'Permission denied' "$run" "$dir/text"
	# shellcheck disable=SC2016
	expect "arguments with blanks" 0 '^a  b\|$' "$run" sh -c 'echo "$1|"' sh 'a  b'
}

preload_list()
{
	# $LD_PRELOAD is for the inner shell.
	# shellcheck disable=SC2016
	show='echo "[$LD_PRELOAD]"'
	ours=$(literally "$library")
	theirs=$(literally "$scripted")

	expect "alone in LD_PRELOAD" 0 "^\[$ours\]\$" "$run" sh -c "$show"
	expect "after other preloads" 0 "^\[$theirs:$ours\]\$" \
		env LD_PRELOAD="$scripted" "$run" sh -c "$show"
	expect "an empty LD_PRELOAD" 0 "^\[$ours\]\$" env LD_PRELOAD= "$run" sh -c "$show"
	expect "once only" 0 "^\[$ours\]\$" "$run" "$run" sh -c "$show"
	expect "once only, between others" 0 "^\[$theirs $ours\]\$" \
		env LD_PRELOAD="$scripted $library" "$run" sh -c "$show"
	mkdir "$dir/a b"
	cp "$run" "$library" "$dir/a b"
	expect "a path that cannot be preloaded" 125 'colon or a space' "$dir/a b/newproto_run" true
	cp "$run" "$dir/lonely"
	if "$dir/lonely" true 2>/dev/null; then
		skip "no library" "one is installed"
	else
		expect "no library" 125 'preload library be read: No such' "$dir/lonely" true
	fi
	ln -s "$run" "$dir/link"
	expect "called by a symbolic link" 0 "^\[$ours\]\$" "$dir/link" sh -c "$show"
}

# The chain is: the program, newproto-preload.so, scripted_socket.so, the C library.
behind_us() # SCRIPT COMMAND...
{
	script=$1
	shift
	SCRIPT=$script LD_PRELOAD=$library:$scripted "$@"
}

mapping()
{
	expect "the family is there: one call, for it" 0 '^protocol 6 calls 1 last 258$' \
		behind_us 0 "$probe" answer
	expect "every kind of socket(), as it is passed on" 0 '^wrong 0$' \
		behind_us 0 "$probe" passed
	for name in EPROTONOSUPPORT EAFNOSUPPORT ESOCKTNOSUPPORT EINVAL EPERM EACCES; do
		expect "$name: the program's own call is made" 0 \
			'^protocol 6 calls 2 last 0$' \
			behind_us "$(errno_of $name)" "$probe" answer
	done
	for name in EMFILE ENFILE ENOBUFS ENOMEM; do
		number=$(errno_of $name)
		expect "$name: no TCP socket by chance" 0 "^errno $number calls 1 last 258\$" \
			behind_us "$number" "$probe" answer
	done
	expect "an absent family is looked for once a second" 0 '^calls 1$' \
		behind_us "$(errno_of EPROTONOSUPPORT)" "$probe" twice
	expect "a refused one each time" 0 '^calls 2$' \
		behind_us "$(errno_of EPERM)" "$probe" twice
	# Before us in the chain, another preload sees the program's own call, once.
	expect "a preload before ours sees the program's call" 0 'calls 1 last 0$' \
		env LD_PRELOAD="$scripted" "$run" "$probe" answer
}

# The same with UDP sockets, for which newproto_run --datagrams sets a variable.
with_datagrams() # SCRIPT COMMAND...
{
	NEWPROTO_DATAGRAMS=1 behind_us "$@"
}

datagrams()
{
	# shellcheck disable=SC2016 # for the inner shell
	show='echo "[$NEWPROTO_DATAGRAMS]"'
	absent=$(errno_of EPROTONOSUPPORT)

	expect "--datagrams sets its variable" 0 '^\[1\]$' "$run" --datagrams sh -c "$show"
	expect "-d, too" 0 '^\[1\]$' "$run" -d sh -c "$show"
	expect "without it the variable is not set" 0 '^\[\]$' "$run" sh -c "$show"
	expect "a program that is started in such a run" 0 '^\[1\]$' \
		"$run" --datagrams "$run" sh -c "$show"
	expect "without --datagrams: UDP as it was asked for" 0 '^protocol 17 calls 1 last 0$' \
		behind_us 0 "$probe" datagram
	expect "an empty variable is none" 0 '^protocol 17 calls 1 last 0$' \
		env NEWPROTO_DATAGRAMS= LD_PRELOAD="$library:$scripted" SCRIPT=0 "$probe" datagram
	expect "--datagrams: one call, for the family" 0 '^protocol 17 calls 1 last 258$' \
		with_datagrams 0 "$probe" datagram
	expect "--datagrams: streams, too" 0 '^protocol 6 calls 1 last 258$' \
		with_datagrams 0 "$probe" answer
	expect "--datagrams: every kind of socket(), as it is passed on" 0 '^wrong 0$' \
		with_datagrams 0 "$probe" passed
	for name in EPROTONOSUPPORT ESOCKTNOSUPPORT EPERM; do
		expect "--datagrams, $name: the program's own call is made" 0 \
			'^protocol 17 calls 2 last 0$' \
			with_datagrams "$(errno_of $name)" "$probe" datagram
	done
	expect "--datagrams, EMFILE: no UDP socket by chance" 0 \
		"^errno $(errno_of EMFILE) calls 1 last 258\$" \
		with_datagrams "$(errno_of EMFILE)" "$probe" datagram
	expect "absent streams say nothing about datagrams" 0 '^calls 2$' \
		with_datagrams "$absent" "$probe" mixed
	# Name servers are elsewhere, most of them, so this must hold, or no name is resolved.
	expect "--datagrams: the C library's questions to name servers stay UDP's" 0 \
		'^calls 0, answered$' with_datagrams 0 "$probe" resolver
}

# The variables by which newproto_run tells the library, and programs that are started in its run.
group_variables()
{
	# shellcheck disable=SC2016 # for the inner shell
	show='echo "[$NEWPROTO_REUSEPORT $NEWPROTO_GRACE]"'

	expect "without options no variables" 0 '^\[ \]$' "$run" sh -c "$show"
	expect "--reuseport sets its variable" 0 '^\[1 \]$' "$run" --reuseport sh -c "$show"
	expect "-r, too" 0 '^\[1 \]$' "$run" -r sh -c "$show"
	expect "--grace sets its variable, and implies nothing" 0 '^\[ 5000\]$' \
		"$run" --grace 5000 sh -c "$show"
	expect "--grace=MS" 0 '^\[ 0\]$' "$run" --grace=0 sh -c "$show"
	expect "-g, too" 0 '^\[1 2147483647\]$' "$run" -rg 2147483647 sh -c "$show"
	expect "the last --grace counts" 0 '^\[ 2\]$' "$run" -g 1 -g 2 sh -c "$show"
	expect "groups for a program that is started in such a run" 0 '^\[1 7\]$' \
		"$run" -r -g 7 "$run" sh -c "$show"
	expect "another grace for it" 0 '^\[1 8\]$' "$run" -r -g 7 "$run" -g 8 sh -c "$show"
	for ms in '' x 5s -1 +5 ' 5' '5 ' 0x10 1.5 2147483648 4294967296 18446744073709551617; do
		expect "--grace '$ms'" 125 "^newproto_run: --grace: '$(literally "$ms")' is not" \
			"$run" --grace "$ms" echo run
	done
	expect "--grace without MS" 125 "requires an argument" "$run" --grace
}

# The same with those variables, where "-" is one that is not set.
with_groups() # REUSEPORT GRACE SCRIPT COMMAND...
{
	[ "$1" = - ] || export NEWPROTO_REUSEPORT="$1"
	[ "$2" = - ] || export NEWPROTO_GRACE="$2"
	shift 2
	behind_us "$@"
	code=$?
	unset NEWPROTO_REUSEPORT NEWPROTO_GRACE
	return $code
}

groups()
{
	plain='^protocol 6 reuseport 0 grace none set$'
	both='^protocol 6 reuseport 1 grace none set SO_REUSEPORT=1 NEWPROTO_GRACE=5000$'

	expect "without options none is set" 0 "$plain" with_groups - - 0 "$probe" options
	expect "--reuseport: set on a TCP socket" 0 \
		'^protocol 6 reuseport 1 grace none set SO_REUSEPORT=1$' \
		with_groups 1 - 0 "$probe" options
	expect "--grace: set on a TCP socket" 0 \
		'^protocol 6 reuseport 0 grace none set NEWPROTO_GRACE=5000$' \
		with_groups - 5000 0 "$probe" options
	expect "both, errno left alone" 0 "$both" with_groups 1 5000 0 "$probe" options
	expect "a grace of 0 is set" 0 ' set NEWPROTO_GRACE=0$' with_groups - 0 0 "$probe" options
	expect "the longest grace" 0 ' set NEWPROTO_GRACE=2147483647$' \
		with_groups - 2147483647 0 "$probe" options
	expect "an empty NEWPROTO_REUSEPORT is none" 0 "$plain" with_groups '' - 0 "$probe" options
	for ms in '' x 5s -1 +5 ' 5' '5 ' 0x10 1.5 2147483648 4294967296 18446744073709551617; do
		expect "NEWPROTO_GRACE '$ms' is ignored" 0 "$plain" \
			with_groups - "$ms" 0 "$probe" options
	done
	expect "a bad NEWPROTO_GRACE is no matter to the other" 0 ' set SO_REUSEPORT=1$' \
		with_groups 1 bad 0 "$probe" options
	expect "the environment is read once" 0 "$plain" with_groups - - 0 "$probe" late
	expect "a socket made before the library is ready" 0 \
		' set SO_REUSEPORT=1 NEWPROTO_GRACE=5 SO_REUSEPORT=1 NEWPROTO_GRACE=5$' \
		env SCRIPT_EARLY=1 NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=5 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" options
	expect "through newproto_run" 0 'set SO_REUSEPORT=1 NEWPROTO_GRACE=5000$' \
		env LD_PRELOAD="$library:$scripted" SCRIPT=0 \
		"$run" --reuseport --grace 5000 "$probe" options
	expect "every kind of socket() gets what it should" 0 '^wrong 0$' \
		with_groups 1 5000 0 "$probe" passed
	expect "threads and signal handlers, with both" 0 '^failed 0, short 0, allocated 0$' \
		with_groups 1 5000 0 timeout 300 "$probe" signals
}

# UDP sockets, which are as they were unless --datagrams is given; and sockets of the family that
# are not to be had, or have no such options.
groups_of_others()
{
	absent=$(errno_of EPROTONOSUPPORT)
	no_option=$(errno_of ENOPROTOOPT)
	plain='^protocol 6 reuseport 0 grace none set$'

	expect "a UDP socket gets none" 0 '^protocol 17 reuseport 0 grace none set$' \
		with_groups 1 5000 0 "$probe" datagram-options
	expect "--datagrams: it gets both" 0 \
		'^protocol 17 reuseport 1 grace none set SO_REUSEPORT=1 NEWPROTO_GRACE=5000$' \
		env NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=5000 NEWPROTO_DATAGRAMS=1 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" datagram-options
	expect "--datagrams: every kind of socket() gets what it should" 0 '^wrong 0$' \
		env NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=5000 NEWPROTO_DATAGRAMS=1 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" passed
	for name in EPROTONOSUPPORT EAFNOSUPPORT EPERM; do
		expect "$name: the program's own socket gets none" 0 "$plain" \
			with_groups 1 5000 "$(errno_of $name)" "$probe" options
	done
	expect "nor does one made while the family is known to be absent" 0 '^calls 1$' \
		with_groups 1 5000 "$absent" "$probe" twice
	expect "EMFILE: nothing to set" 0 "^errno $(errno_of EMFILE) set\$" \
		with_groups 1 5000 "$(errno_of EMFILE)" "$probe" options
	expect "a kernel without groups: the socket is the program's, errno left alone" 0 \
		'^protocol 6 reuseport 1 grace none set SO_REUSEPORT=1 NEWPROTO_GRACE=5000$' \
		env SCRIPT_GRACE="$no_option" NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=5000 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" options
	expect "SO_REUSEPORT refused: the grace is set all the same" 0 \
		'^protocol 6 reuseport 0 grace none set SO_REUSEPORT=1 NEWPROTO_GRACE=5000$' \
		env SCRIPT_REUSEPORT="$(errno_of EOPNOTSUPP)" NEWPROTO_REUSEPORT=1 \
		NEWPROTO_GRACE=5000 SCRIPT=0 LD_PRELOAD="$library:$scripted" "$probe" options
}

# newproto_run --device, on a machine where each device is an npnic.
device_run() # OPTION...
{
	SCRIPT_DRIVER=npnic LD_PRELOAD=$scripted "$run" "$@"
}

device_variable()
{
	# shellcheck disable=SC2016 # for the inner shell
	show='echo "[$NEWPROTO_DEVICE]"'

	expect "--device sets its variable" 0 '^\[np0\]$' device_run --device np0 sh -c "$show"
	expect "-D, too" 0 '^\[np0\]$' device_run -D np0 sh -c "$show"
	expect "a name of fifteen letters" 0 '^\[abcdefghijklmno\]$' \
		device_run --device abcdefghijklmno sh -c "$show"
	expect "without it no variable" 0 '^\[\]$' device_run sh -c "$show"
	expect "--device for a program that is started in such a run" 0 '^\[np0\]$' \
		device_run --device np0 "$run" sh -c "$show"
	expect "another device for it" 0 '^\[np1\]$' \
		device_run --device np0 "$run" -D np1 sh -c "$show"
	expect "--device without DEV" 125 'requires an argument' "$run" --device
	expect "--device ''" 125 'the name is empty' "$run" --device '' echo run
	expect "no such device" 125 '^newproto_run: device np-none: No such device$' \
		"$run" --device np-none echo run
	expect "no device has such a name" 125 ': No such device$' \
		device_run --device abcdefghijklmnop echo run
	expect "a device that is no npnic" 125 '^newproto_run: device lo: not an npnic$' \
		"$run" --device lo echo run
	expect "one of another driver" 125 '^newproto_run: device np0: not an npnic$' \
		env SCRIPT_DRIVER=veth LD_PRELOAD="$scripted" "$run" --device np0 echo run
	expect "the variable counts as the option does" 125 ' np-none: No such device$' \
		env NEWPROTO_DEVICE=np-none "$run" echo run
}

# The same with the variable, and with the kernel's answer to SO_BINDTODEVICE.
with_device() # DEVICE ANSWER SCRIPT COMMAND...
{
	device=$1 answer=$2
	shift 2
	export NEWPROTO_DEVICE="$device" SCRIPT_DEVICE="$answer"
	behind_us "$@"
	code=$?
	unset NEWPROTO_DEVICE SCRIPT_DEVICE
	return $code
}

devices()
{
	plain='^protocol 6 reuseport 0 grace none set$'
	bound='^protocol 6 reuseport 0 grace none set SO_BINDTODEVICE=np0$'

	expect "--device: a TCP socket is bound to it" 0 "$bound" \
		with_device np0 0 0 "$probe" options
	expect "a device's name of fifteen letters" 0 ' set SO_BINDTODEVICE=abcdefghijklmno$' \
		with_device abcdefghijklmno 0 0 "$probe" options
	expect "an empty NEWPROTO_DEVICE is none" 0 "$plain" with_device '' 0 0 "$probe" options
	expect "a NEWPROTO_DEVICE that is too long: no socket" 0 \
		"^errno $(errno_of ENODEV) set\$" \
		with_device abcdefghijklmnop 0 0 "$probe" options
	for failure in ENODEV EPERM; do
		expect "$failure: no socket, and no TCP socket instead" 0 \
			"^errno $(errno_of $failure) set SO_BINDTODEVICE=np0\$" \
			with_device np0 "$(errno_of $failure)" 0 "$probe" options
		expect "$failure: one call" 0 "^errno $(errno_of $failure) calls 1 last 258\$" \
			with_device np0 "$(errno_of $failure)" 0 "$probe" answer
	done
	expect "--device and the options of groups" 0 \
		'^protocol 6 .* set SO_BINDTODEVICE=np0 SO_REUSEPORT=1 NEWPROTO_GRACE=5$' \
		env NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=5 NEWPROTO_DEVICE=np0 SCRIPT_DEVICE=0 \
		SCRIPT=0 LD_PRELOAD="$library:$scripted" "$probe" options
	expect "--device is read once" 0 "$bound" with_device np0 0 0 "$probe" late
	expect "--device: a UDP socket is not bound" 0 \
		'^protocol 17 reuseport 0 grace none set$' \
		with_device np0 0 0 "$probe" datagram-options
	expect "--device --datagrams: it is the family's, and not bound" 0 \
		'^protocol 17 reuseport 0 grace none set$' \
		env NEWPROTO_DATAGRAMS=1 NEWPROTO_DEVICE=np0 SCRIPT_DEVICE=0 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" datagram-options
	expect "--device: every kind of socket() gets what it should" 0 '^wrong 0$' \
		with_device np0 0 0 "$probe" passed
	expect "--device --datagrams: every kind of socket() gets what it should" 0 '^wrong 0$' \
		env NEWPROTO_DATAGRAMS=1 NEWPROTO_DEVICE=np0 SCRIPT_DEVICE=0 SCRIPT=0 \
		LD_PRELOAD="$library:$scripted" "$probe" passed
	for name in EPROTONOSUPPORT EPERM; do
		expect "--device, $name: the program's own socket is not bound" 0 "$plain" \
			with_device np0 0 "$(errno_of $name)" "$probe" options
	done
	expect "--device: threads and signal handlers" 0 '^failed 0, short 0, allocated 0$' \
		with_device np0 0 0 timeout 300 "$probe" signals
	expect "--device, through newproto_run" 0 "$bound" \
		env LD_PRELOAD="$library:$scripted" SCRIPT=0 SCRIPT_DEVICE=0 SCRIPT_DRIVER=npnic \
		"$run" --device np0 "$probe" options
	expect "--device, by the kernel itself" 0 'set SO_BINDTODEVICE=lo$' \
		env NEWPROTO_DEVICE=lo SCRIPT=0 LD_PRELOAD="$library:$scripted" "$probe" options
	expect "a device that has gone" 0 \
		"^errno $(errno_of ENODEV) set SO_BINDTODEVICE=np-none\$" \
		env NEWPROTO_DEVICE=np-none SCRIPT=0 LD_PRELOAD="$library:$scripted" \
		"$probe" options
}

# Every kind of socket() with the OPTIONs of newproto_run, on this kernel.
every_kind() # NAME OPTION...
{
	name=$1
	shift
	"$run" "$@" "$probe" sockets >"$dir/tap" 2>&1
	code=$?
	sed 's/^/# /' "$dir/tap"
	if [ $code -eq 0 ] && grep -q '^1\.\.26$' "$dir/tap"; then
		result ok "$name"
	else
		result "not ok" "$name"
	fi
}

# What a socket says of its options under newproto_run --reuseport --grace 5000, on this kernel.
kernel_groups()
{
	has='protocol 6 reuseport 0 grace none'
	if [ "$family" -eq 258 ]; then
		has='protocol 258 reuseport 1 grace none'
		"$run" --check --reuseport --grace 5000 >"$dir/out" &&
			has='protocol 258 reuseport 1 grace 5000'
	fi
	expect "the options of a TCP socket under newproto_run --reuseport --grace" 0 "^$has\$" \
		"$run" --reuseport --grace 5000 "$probe" options
	expect "those of a UDP socket" 0 '^protocol 17 reuseport 0 grace none$' \
		"$run" --reuseport --grace 5000 "$probe" datagram-options
}

kernel()
{
	if "$run" --check >"$dir/out"; then
		family=258
	else
		family=6
	fi
	sed 's/^/# /' "$dir/out"
	expect "a TCP socket's protocol under newproto_run" 0 "^protocol $family\$" \
		"$run" "$probe" answer
	expect "a TCP socket's protocol without it" 0 '^protocol 6$' "$probe" answer
	expect "a UDP socket's protocol under newproto_run" 0 '^protocol 17$' \
		"$run" "$probe" datagram
	if "$run" --check --datagrams >"$dir/out"; then
		family=258
	else
		family=17
	fi
	expect "a UDP socket's protocol under newproto_run --datagrams" 0 "^protocol $family\$" \
		"$run" --datagrams "$probe" datagram
	kernel_groups
	every_kind "every kind of socket()"
	every_kind "--datagrams: every kind of socket()" --datagrams
	every_kind "--reuseport --grace: every kind of socket()" --reuseport --grace 5000
	expect "threads and signal handlers" 0 '^failed 0, short 0, allocated 0$' \
		timeout 300 "$run" "$probe" signals
}

check_kinds()
{
	# What --check exits with for a program that is within reach.
	"$run" --check >/dev/null
	reach=$?
	"$run" --check --datagrams >/dev/null
	udp_reach=$?

	expect "--check alone" $reach '^preload: .*/newproto-preload.so$' "$run" --check
	expect "--check: a dynamic program" $reach '^kind: +dynamic, loaded by /' \
		"$run" --check "$probe"
	expect "--check: static" 2 '^verdict: out of reach: static' \
		"$run" --check "$built/tests/static_probe"
	expect "--check: Go" 2 '^verdict: out of reach: Go' "$run" --check "$built/tests/go_note"
	expect "--check: not there" 127 'No such file' "$run" --check nothing-of-this-name
	expect "--check: not executable" 126 'Permission denied' "$run" --check "$dir/text"
	expect "--check: a directory" 126 'Permission denied' "$run" --check "$dir"
	expect "--check: UDP sockets stay" $reach '^udp: +stays UDP' "$run" --check "$probe"
	expect "--check --datagrams: static" 2 '^verdict: out of reach: static' \
		"$run" --check --datagrams "$built/tests/static_probe"
	expect "--check --datagrams in the verdict" "$udp_reach" '^verdict: its .* UDP' \
		"$run" --datagrams --check "$probe"
	expect "--check where the variable is set" "$udp_reach" '^udp: +(present|not to be had)' \
		env NEWPROTO_DATAGRAMS=1 "$run" --check "$probe"
	printf '\177ELF\2\1\1' >"$dir/broken"
	chmod +x "$dir/broken"
	expect "--check: a broken ELF file" 125 'broken ELF file' "$run" --check "$dir/broken"
	# The same program, said to be for a machine that does not exist.
	{ head -c 18 "$probe"; printf '\376\376'; tail -c +21 "$probe"; } >"$dir/alien"
	chmod +x "$dir/alien"
	expect "--check: another machine" 2 'built for another machine' "$run" --check "$dir/alien"
}

# newproto_run --check with the family as SCRIPT says.
scripted_check() # SCRIPT OPTION...
{
	script=$1
	shift
	SCRIPT=$script LD_PRELOAD=$scripted "$run" --check "$@"
}

check_groups()
{
	no_option=$(errno_of ENOPROTOOPT)

	scripted_check 0 >"$dir/checked"
	expect "--check says nothing about groups that nobody has asked for" 0 \
		'^preload family udp verdict $' \
		sh -c "sed 's/:.*//' '$dir/checked' | tr '\\n' ' '"
	expect "--check --reuseport" 0 '^groups:  present, SO_REUSEPORT is set$' \
		scripted_check 0 --reuseport
	expect "--check --reuseport --grace" 0 \
		'^groups:  present, SO_REUSEPORT is set, with a grace of 5000 ms$' \
		scripted_check 0 --reuseport --grace 5000 "$probe"
	expect "--check --grace" 0 '^groups:  present, with a grace of 0 ms if the program sets' \
		scripted_check 0 --grace 0
	expect "--check in a run with groups" 0 '^groups:  present, .* grace of 7 ms$' \
		env NEWPROTO_REUSEPORT=1 NEWPROTO_GRACE=7 SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check
	expect "--check with a bad NEWPROTO_GRACE" 0 '^grace:   NEWPROTO_GRACE is ignored' \
		env NEWPROTO_GRACE=5s SCRIPT=0 LD_PRELOAD="$scripted" "$run" --check
	expect "--check with it, and groups" 0 '^groups:  present, SO_REUSEPORT is set$' \
		env NEWPROTO_GRACE=5s SCRIPT=0 LD_PRELOAD="$scripted" "$run" --check --reuseport
	expect "--check where there are no groups" 1 '^groups:  not to be had \(Protocol not' \
		env SCRIPT_GRACE="$no_option" SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check --reuseport
	expect "its verdict" 1 \
		"^verdict: its TCP sockets become AF_NEWPROTO's \(without groups\), UDP" \
		env SCRIPT_GRACE="$no_option" SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check --grace 5000 "$probe"
	expect "--check where there are none, and none is asked for" 0 "AF_NEWPROTO's, UDP" \
		env SCRIPT_GRACE="$no_option" SCRIPT=0 LD_PRELOAD="$scripted" "$run" --check
	expect "--check where SO_REUSEPORT is refused" 1 '^groups:  not to be had \(Operation not' \
		env SCRIPT_REUSEPORT="$(errno_of EOPNOTSUPP)" SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check --reuseport
	expect "--check where datagrams alone have no groups" 1 \
		"^verdict: .* TCP and UDP sockets become AF_NEWPROTO's \(without groups\)\$" \
		env SCRIPT_GRACE="$no_option" SCRIPT_TYPE=2 SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check --reuseport --datagrams
	expect "the same without --datagrams" 0 '^groups:  present, SO_REUSEPORT is set$' \
		env SCRIPT_GRACE="$no_option" SCRIPT_TYPE=2 SCRIPT=0 LD_PRELOAD="$scripted" \
		"$run" --check --reuseport
	expect "--check --reuseport without the family" 1 '^groups:  none without the family$' \
		scripted_check "$(errno_of EPROTONOSUPPORT)" --reuseport
	expect "--check --reuseport: out of reach" 2 '^verdict: out of reach: static' \
		scripted_check 0 --reuseport "$built/tests/static_probe"
}

# newproto_run --check with the family, and with devices as SCRIPT_DRIVER and SCRIPT_DEVICE say.
device_check() # DRIVER ANSWER OPTION...
{
	driver=$1 answer=$2
	shift 2
	SCRIPT_DRIVER=$driver SCRIPT_DEVICE=$answer SCRIPT=0 LD_PRELOAD=$scripted \
		"$run" --check "$@"
}

check_device()
{
	expect "--check --device" 0 '^device:  np0, an npnic, which is up$' \
		device_check npnic 0 --device np0
	expect "its verdict" 0 "^verdict: its TCP sockets become AF_NEWPROTO's over np0, UDP " \
		device_check npnic 0 --device np0 "$probe"
	expect "with --datagrams" 0 "AF_NEWPROTO's over np0, its UDP sockets, too\$" \
		device_check npnic 0 --device np0 --datagrams "$probe"
	expect "--check in a run with a device" 0 '^device:  np0, ' \
		env NEWPROTO_DEVICE=np0 SCRIPT_DRIVER=npnic SCRIPT_DEVICE=0 SCRIPT=0 \
		LD_PRELOAD="$scripted" "$run" --check
	expect "--check --device: it is down" 0 '^device:  np0, an npnic, which is down$' \
		env SCRIPT_DOWN=1 SCRIPT_DRIVER=npnic SCRIPT_DEVICE=0 SCRIPT=0 \
		LD_PRELOAD="$scripted" "$run" --check --device np0
	expect "--check --device: another driver" 1 \
		'^device:  np0 is not an npnic, its driver is veth$' \
		device_check veth 0 --device np0
	expect "--check --device: no driver" 1 '^device:  np0 is not an npnic$' \
		device_check '' 0 --device np0
	expect "--check --device lo" 1 '^device:  lo is not an npnic$' \
		scripted_check 0 --device lo
	expect "--check --device: it cannot be used" 1 '^verdict: np0 cannot be used$' \
		device_check veth 0 --device np0
	expect "--check --device: there is none" 1 \
		'^device:  np-none is not to be had \(No such device\)$' \
		scripted_check 0 --device np-none
	expect "--check --device: it cannot be bound to" 1 \
		'^device:  np0, an npnic, cannot be bound to \(Operation not permitted\)$' \
		device_check npnic "$(errno_of EPERM)" --device np0
	expect "--check --device without the family" 1 '^verdict: .* sockets stay TCP and UDP$' \
		env SCRIPT_DRIVER=npnic SCRIPT="$(errno_of EPROTONOSUPPORT)" \
		LD_PRELOAD="$scripted" "$run" --check --device np0
	expect "--check --device: out of reach" 2 '^verdict: out of reach: static' \
		device_check veth 0 --device np0 "$built/tests/static_probe"
}

script() # FILE FIRST-LINE
{
	printf '%s\n' "$2" >"$dir/$1"
	chmod +x "$dir/$1"
}

check_scripts()
{
	runner=$(literally "$probe")
	script direct "#!$probe"
	script spaced "#! 	$probe  answer"
	script static "#!$built/tests/static_probe"
	script outer "#!$dir/static"
	script env "#!/usr/bin/env -S A=b socket_probe answer"
	script lost "#!/nothing/of/this/name"
	script loop "#!$dir/loop"

	expect "--check: a script" $reach "^run by: +$runner\$" "$run" --check "$dir/direct"
	expect "--check: blanks in its first line" $reach "^run by: +$runner\$" \
		"$run" --check "$dir/spaced"
	expect "--check: a script in a static interpreter" 2 'out of reach: static' \
		"$run" --check "$dir/static"
	expect "--check: a script run by a script" 2 'out of reach: static' \
		"$run" --check "$dir/outer"
	expect "--check: env finds the interpreter" $reach "^run by: +$runner\$" \
		env PATH="$built/tests:$PATH" "$run" --check "$dir/env"
	expect "--check: a lost interpreter" 127 '/nothing/of/this/name: No such file' \
		"$run" --check "$dir/lost"
	expect "--check: scripts in a circle" 126 'Too many levels' "$run" --check "$dir/loop"
	expect "--check: found by PATH" $reach "^program: +$(literally "$dir")/direct\$" \
		env PATH="/nothing:$dir" "$run" --check direct
}

# Set-user-ID programs and capabilities need a second user, so root.
check_privileged()
{
	cp "$probe" "$dir/setuid"
	cp "$probe" "$dir/setgid"
	cp "$probe" "$dir/capable"
	if [ "$(id -u)" -ne 0 ] || ! chown 65534:65534 "$dir/setuid" "$dir/setgid" 2>/dev/null; then
		skip "--check: set-user-ID" "not root"
		skip "--check: set-group-ID" "not root"
		skip "--check: file capabilities" "not root"
		skip "--check: file capabilities, for root" "not root"
		return
	fi
	chmod 4755 "$dir/setuid"
	chmod 2755 "$dir/setgid"
	expect "--check: set-user-ID" 2 'out of reach: set-user-ID' "$run" --check "$dir/setuid"
	expect "--check: set-group-ID" 2 'out of reach: set-group-ID' "$run" --check "$dir/setgid"
	cp "$run" "$library" "$dir"
	if ! "$caps" set "$dir/capable" 2>/dev/null; then
		skip "--check: file capabilities" "no such attributes in $dir"
		skip "--check: file capabilities, for root" "no such attributes in $dir"
		return
	fi
	expect "--check: file capabilities" 2 'out of reach: it has file capabilities' \
		"$caps" as 65534 "$dir/newproto_run" --check "$dir/capable"
	expect "--check: file capabilities, for root" $reach '^kind: +dynamic' \
		"$run" --check "$dir/capable"
}

echo "TAP version 13"
options
preload_list
mapping
datagrams
group_variables
groups
groups_of_others
device_variable
devices
kernel
check_kinds
check_groups
check_device
check_scripts
check_privileged
finish
