#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Tests of newproto-fabricd, for the directory that it was built in:
#
#   tools/tests/newproto-fabricd.sh DIR
#
# TAP. Clients are tests/fabric_client; the server is the one that was built with the address
# sanitizer, and each one's log is looked at when it has ended.

[ -x "$1/tests/fabric_client" ] || { echo "usage: $0 DIR (where tools/ was built)" >&2; exit 2; }
built=$(cd "$1" && pwd)
fabricd=$built/tests/fabricd_asan
client=$built/tests/fabric_client

dir=$(mktemp -d) || exit 1
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$dir"' EXIT
socket=$dir/sock
log=$dir/log

# shellcheck source=SCRIPTDIR/tap.sh
. "${0%/*}/tap.sh"

# Until COMMAND succeeds, for at most ten seconds.
until_so() # COMMAND...
{
	for _ in $(seq 100); do
		"$@" && return 0
		sleep 0.1
	done
	return 1
}

start() # OPTION...
{
	: >"$log"
	"$fabricd" --socket "$socket" "$@" 2>"$log" >/dev/null &
	server=$!
	until_so grep -q 'serves' "$log" || echo "# no server: $(cat "$log")"
}

# It ends as asked to, leaves nothing behind, and has done nothing with memory that it must not.
stop() # NAME
{
	kill -TERM "$server" 2>/dev/null
	wait "$server"
	code=$?
	server=
	if [ $code -ne 0 ]; then
		result "not ok" "$1: the server exits with $code"
		sed 's/^/#   /' "$log"
	elif [ -e "$socket" ]; then
		result "not ok" "$1: the server leaves its socket"
	else
		result ok "$1: the server ends well"
	fi
}

# A scenario of clients with a server of its own. The log has to have PATTERN.
scenario() # NAME ARGUMENTS PATTERN [OPTION]...
{
	name=$1 arguments=$2 wanted=$3
	shift 3
	start "$@"
	# shellcheck disable=SC2086 # its words
	expect "$name" 0 '' "$client" "$socket" $arguments
	[ -z "$wanted" ] || expect "$name: log" 0 '' until_so grep -Eq -- "$wanted" "$log"
	stop "$name"
}

options()
{
	expect "--help" 0 '^Usage: newproto-fabricd' "$fabricd" --help
	expect "-h" 0 '^Usage: newproto-fabricd' "$fabricd" -h
	expect "--version" 0 '^newproto-fabricd [0-9]' "$fabricd" -V
	expect "output that cannot be written" 1 'cannot write' \
		sh -c "'$fabricd' --help >/dev/full"
	expect "unknown option" 2 'newproto-fabricd --help' "$fabricd" --nonsense
	expect "an option without its value" 2 'newproto-fabricd --help' "$fabricd" --size
	expect "an argument" 2 "no use for 'x'" "$fabricd" --check x
	for value in '' 0 1 3M 64X 64MB -1 '64M,' 0x40 ' 64M' 99999999999999999999 17179869184G 2T \
		18446744073709551615K 2048G; do
		expect "--size '$value'" 2 "--size: '$value' is not a power of two from 1M to 1T" \
			"$fabricd" --check --size "$value"
	done
	for value in '' 0 1 17 x 4x -4 +4 4294967298 99999999999999999999; do
		expect "--peers '$value'" 2 '--peers: .* is not a whole number from 2 to 16' \
			"$fabricd" --check --peers "$value"
	done
	for value in '' 0 17 x; do
		expect "--queues '$value'" 2 '--queues: .* is not a whole number from 1 to 16' \
			"$fabricd" --check --queues "$value"
	done
	for value in '' 0 64K 8M 300K x 4294967424K; do
		expect "--ring '$value'" 2 '--ring: .* is not a power of two from 128K to 4M' \
			"$fabricd" --check --ring "$value"
	done
	for value in '' 8 1777 u=rw; do
		expect "--mode '$value'" 2 '--mode: .* is not an octal number from 0 to 777' \
			"$fabricd" --check --mode "$value"
	done
	expect "--timeout 0" 2 '--timeout: .* from 1 to 86400' "$fabricd" --check --timeout 0
	expect "--group of nobody" 2 "there is no group 'no such group'" \
		"$fabricd" --check --group 'no such group'
	expect "--group 5x" 2 '--group: .* is not a whole number' "$fabricd" --check -g 5x
	expect "--first-id 65535" 2 '--first-id: .* from 0 to 65534' \
		"$fabricd" --check --first-id 65535
}

layout()
{
	expect "64M serve 4 peers with 4 queues" 0 '^peers: +4,' "$fabricd" --check
	expect "what QEMU has to be told" 0 'vectors=6,' "$fabricd" --check -z 64M -p 4 -q 4
	expect "sizes in bytes" 0 '^size: +64M$' "$fabricd" --check --size 67108864
	expect "a ring as asked for" 0 '^ring: +512K ' "$fabricd" --check --ring 512K
	expect "a lot of everything" 0 'vectors=18,' \
		"$fabricd" --check --size 64G --peers 16 --queues 16 --ring 4M
	expect "too small" 1 \
		'1M are too small for 4 peers with 4 queues and rings of at least 128K: use --size' \
		"$fabricd" --check --size 1M
	fits 4 4 ''
	fits 2 1 ''
	fits 16 16 4M
	fits 16 4 128K
}

# The size that a refusal names does, and no smaller one.
fits() # PEERS QUEUES RING
{
	what="--peers $1 --queues $2${3:+ --ring $3}"
	# shellcheck disable=SC2086
	least=$("$fabricd" --check $what --size 1M 2>&1 | sed -n 's/.*: use --size //p')
	# shellcheck disable=SC2086
	expect "$what: $least is enough" 0 "^size: +$least\$" \
		"$fabricd" --check $what --size "$least"
	case $least in
	1G) half=512M ;;
	*) half=$((${least%[KMG]} / 2))${least##*[0-9]} ;;
	esac
	# shellcheck disable=SC2086
	expect "$what: $half is not" 1 "use --size $least\$" "$fabricd" --check $what --size $half
}

clients()
{
	scenario "who comes and goes" order '^newproto-fabricd: peer 1 has slot 1'
	scenario "the memory" memory ''
	scenario "the memory of many" memory '' --peers 16 --queues 16 --size 2G
	scenario "who comes and goes, with 16 queues" order '' --queues 16 --size 128M
	scenario "a slot is used again, an id is not" reuse 'peer 0 left'
	scenario "300 clients" "many 300" 'peer 300 left'
	scenario "gone in the middle of a message" midway 'peer 64 left'
	scenario "one that talks" talk 'peer 1 is dropped: it sends'
	scenario "one that is killed" killed 'peer 1 left'
	scenario "one that does not read" "deaf 2" 'dropped: it does not read' --timeout 2
	scenario "one that is too far behind" behind 'dropped: too many messages' --timeout 60
	scenario "no free slot" "full 4" 'a client is refused: all 4 slots are taken'
	scenario "no free slot of two" "full 2" 'all 2 slots are taken' --peers 2
	scenario "no free slot of 16" "full 16" 'all 16 slots are taken' -p 16 -q 16 -z 2G
	scenario "the 65,536th" last-id 'a client is refused: all ids up to 65534' --first-id 65533
	scenario "a bell that is full" full-bell ''
	scenario "one that writes where it should not" scribble 'somebody has written to the header'
}

few_files()
{
	# A server has some eight files of its own, and a client has seven.
	# shellcheck disable=SC2016
	with='ulimit -n 20; exec "$@"'
	: >"$log"
	sh -c "$with" sh "$fabricd" --socket "$socket" 2>"$log" >/dev/null &
	server=$!
	until_so grep -q 'serves' "$log"
	expect "too few files" 0 '' "$client" "$socket" few-files
	expect "too few files: log" 0 '' grep -q 'client is refused: [tT]oo many open files' "$log"
	stop "too few files"

	# shellcheck disable=SC2016
	with='trap "" XFSZ; ulimit -f 1; exec "$@"'
	expect "no memory of that size" 1 'cannot make shared memory of 64M: File too large' \
		sh -c "($with) 2>&1 | cat; exit 1" sh "$fabricd" --socket "$socket"
}

sockets()
{
	start --mode 640
	expect "--mode" 0 '^srw-r-----' ls -l "$socket"
	expect "another server is there" 1 'another server listens there' \
		"$fabricd" --socket "$socket"
	expect "which goes on" 0 '' "$client" "$socket" talk
	"$client" "$socket" until-end >"$dir/client" 2>&1 &
	waiter=$!
	until_so grep -q joined "$dir/client"
	stop "with a client"
	expect "whose connection ends" 0 '' wait $waiter

	start
	kill -KILL "$server"
	wait "$server" 2>/dev/null
	expect "killed: the socket is there" 0 '' test -S "$socket"
	start --verbose
	expect "the socket of one that was killed" 0 'nobody listens there; replaced' cat "$log"
	expect "is one again" 0 '' "$client" "$socket" order
	rm "$socket"
	echo text >"$socket"
	kill -INT "$server"
	expect "SIGINT" 0 '' wait "$server"
	server=
	expect "what is not its own socket stays" 0 '^text$' cat "$socket"
	expect "a file in its place" 1 'is there, and is no socket' "$fabricd" --socket "$socket"
	rm "$socket"
	expect "no such directory" 1 'No such file' "$fabricd" --socket "$dir/none/sock"
	long=$(printf '%0110d' 0)
	expect "a long path" 1 'longer than the 107 bytes' "$fabricd" --socket "$dir/$long"
	if [ "$(id -u)" -eq 0 ]; then
		start --group 54321 --mode 0660
		expect "--group" 0 '^srw-rw---- .* 54321 ' ls -n "$socket"
		stop "--group"
	else
		skip "--group" "not root"
		skip "--group: the server ends well" "not root"
	fi
}

daemon()
{
	pidfile=$dir/pid
	expect "--daemon" 0 '' sh -c "cd '$dir' && exec '$fabricd' --daemon \
		--socket sock --pidfile pid"
	expect "--daemon: the socket is there" 0 '' test -S "$socket"
	pid=$(cat "$pidfile")
	expect "--daemon: it is in no directory" 0 '/$' readlink "/proc/$pid/cwd"
	expect "--daemon: it serves" 0 '' "$client" "$socket" order
	kill -HUP "$pid"
	expect "--daemon: it ends" 0 '' until_so test ! -e "$pidfile"
	expect "--daemon: and its socket" 0 '' test ! -e "$socket"
	expect "--pidfile that cannot be written" 1 'none/pid: No such file' \
		"$fabricd" --socket "$socket" --pidfile "$dir/none/pid"
	expect "--pidfile: nothing is left of that" 0 '' test ! -e "$socket"
	mkfifo "$dir/fifo"
	cat "$dir/fifo" >"$dir/from-fifo" &
	start --pidfile "$dir/fifo"
	expect "--pidfile that is no plain file" 0 "^$server\$" \
		until_so grep . "$dir/from-fifo"
	stop "--pidfile that is no plain file"
	expect "which is not removed" 0 '' test -p "$dir/fifo"
}

echo "TAP version 13"
options
layout
clients
few_files
sockets
daemon
finish
