#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of demo.sh that runs in the guest, under busybox's sh. Each program runs twice, over TCP
# and, unchanged, over AF_NEWPROTO. Who carried it is not taken on trust: while a client runs, its
# server's port is looked up in /proc/net/tcp and in /proc/net/newproto/sockets, and the packets on
# the loopback device are counted.
#
# Lines that begin with "# " are progress; the rest is the result.

# $launcher is no word or one, and has no space in it.
# shellcheck disable=SC2086

export PATH="/demo/bin:$PATH" LD_LIBRARY_PATH=/demo/lib
sockets=/proc/net/newproto/sockets
work=/tmp/demo
rows=$work/rows
limit=60		# seconds for one client
bytes=16777216		# of the file that is compared
failed=0

# shellcheck source=SCRIPTDIR/guest/nginx.sh
. /test/nginx.sh

mkdir -p $work/www
: >$rows

progress() { echo "# $*"; }

fail()
{
	progress "FAILED: $*"
	failed=$((failed + 1))
}

# --- who carries a port ----------------------------------------------------------------------

# How many sockets of TCP that listen or are connected, and of the family, have PORT at one of their
# ends?
tcp_sockets()
{
	awk -v port=":$(printf %04X "$1")\$" '
		($2 ~ port || $3 ~ port) && ($4 == "01" || $4 == "0A") { n++ }
		END { print n + 0 }' /proc/net/tcp /proc/net/tcp6
}

family_sockets()
{
	if [ -e $sockets ]; then
		grep -c ":$1 " $sockets
	else
		echo 0
	fi
}

packets_on_lo() { awk '$1 == "lo:" { print $3 }' /proc/net/dev; }

# Waits until somebody has PORT, in whichever family.
await_server() # PORT PID
{
	tries=0
	while [ $(($(tcp_sockets "$1") + $(family_sockets "$1"))) -eq 0 ]; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ] || ! kill -0 "$2" 2>/dev/null; then
			fail "the server for port $1 did not start: $(tail -n 3 $work/server)"
			return 1
		fi
		sleep 0.1
	done
}

stop_server() # PID
{
	kill "$1" 2>/dev/null
	tries=0
	while kill -0 "$1" 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			fail "a server does not end"
			kill -9 "$1"
		fi
		sleep 0.1
	done
	wait "$1" 2>/dev/null
}

# Runs a client, with its output in $work/client, and sets $carrier to who carried PORT meanwhile.
observe() # PORT COMMAND...
{
	port=$1 most_tcp=0 most_family=0
	shift
	packets=$(packets_on_lo)
	timeout $limit "$@" >$work/client 2>&1 &
	client=$!
	while :; do
		now=$(tcp_sockets "$port")
		[ "$now" -le "$most_tcp" ] || most_tcp=$now
		now=$(family_sockets "$port")
		[ "$now" -le "$most_family" ] || most_family=$now
		kill -0 $client 2>/dev/null || break
		sleep 0.2
	done
	wait $client
	code=$?
	packets=$(($(packets_on_lo) - packets))
	if [ "$most_family" -gt 0 ] && [ "$most_tcp" -eq 0 ] && [ "$packets" -eq 0 ]; then
		carrier=AF_NEWPROTO
	elif [ "$most_tcp" -gt 0 ] && [ "$most_family" -eq 0 ] && [ "$packets" -gt 0 ]; then
		carrier=TCP
	else
		carrier=unclear
	fi
	seen="port $port: up to $most_tcp TCP, $most_family AF_NEWPROTO sockets; $packets packets"
	if [ $code -ne 0 ]; then
		fail "$1 ... exit code $code: $(tail -n 3 $work/client | tr '\n' ' ')"
		return 1
	fi
}

# --- one figure ------------------------------------------------------------------------------

# Notes what was measured over $family. WHAT is "program|measure"; BETTER is more, less, or same
# where there is nothing to compare.
note() # WHAT BETTER FIGURE
{
	if [ -z "$3" ]; then
		fail "$1 over $family: no figure in what the client said"
		return
	fi
	progress "  ${1%%|*}, ${1#*|}: $3 (carried by $carrier; $seen)"
	[ "$carrier" = "$family" ] || fail "$1: carried by $carrier, and $family was meant"
	echo "$1|$2|$family|$3|$carrier" >>$rows
}

# The programs' sockets go over $family: the launcher for the family, nothing for TCP.
over() # TCP|AF_NEWPROTO
{
	family=$1
	launcher="env"
	[ "$family" = TCP ] || launcher=/demo/bin/newproto_run
}

# --- the programs ----------------------------------------------------------------------------

redis() # PORT
{
	$launcher redis-server --port "$1" --bind 127.0.0.1 --save '' --loglevel warning \
		--dir $work >$work/server 2>&1 &
	server=$!
	if await_server "$1" $server; then
		for command in SET GET; do
			observe "$1" $launcher redis-benchmark -p "$1" -t $command -n 10000 -c 20 \
				--csv && note "redis $command, 20 clients|requests/s" more \
				"$(sed -n "s/^\"$command\",\"\([0-9.]*\)\".*/\1/p" $work/client)"
		done
	fi
	stop_server $server
}

ab_requests() # WHAT OPTION...
{
	what=$1
	shift
	observe "$port" $launcher ab -q "$@" "http://127.0.0.1:$port/small" || return
	grep -q '^Failed requests: *0$' $work/client || fail "$what: ab counts failed requests"
	note "$what|requests/s" more "$(awk '/^Requests per second/ { print $4 }' $work/client)"
}

# nginx says with -t whether it was built with sendfile; that it calls it the kernel says.
trace=/sys/kernel/tracing
count_sendfile() # 0|1
{
	[ -d $trace/events/syscalls/sys_enter_sendfile64 ] || return
	[ "$1" = 0 ] || echo >$trace/trace
	echo "$1" >$trace/events/syscalls/sys_enter_sendfile64/enable
}

large_file()
{
	rm -f $work/copy
	count_sendfile 1
	observe "$port" $launcher wget -q -O $work/copy "http://127.0.0.1:$port/large" || return
	count_sendfile 0
	if [ -d $trace/events/syscalls/sys_enter_sendfile64 ] &&
	   ! grep -q 'sys_sendfile64' $trace/trace; then
		fail "nginx did not call sendfile()"
	fi
	if cmp $work/www/large $work/copy; then
		note "wget, nginx's sendfile|bytes alike" same "$(wc -c <$work/copy)"
	else
		fail "the copy of the large file differs"
	fi
	rm -f $work/copy
	observe "$port" $launcher ab -q -n 12 -c 1 "http://127.0.0.1:$port/large" || return
	note "ab, nginx's sendfile|MB/s" more \
		"$(awk '/^Transfer rate/ { printf "%.1f", $3 * 1024 / 1e6 }' $work/client)"
}

web() # PORT
{
	port=$1
	{
		printf '%s\n' 'daemon off;' 'worker_processes 1;' 'error_log stderr;'
		nginx_conf $work "$port"
	} >$work/nginx.conf
	$launcher nginx -p $work -c $work/nginx.conf >$work/server 2>&1 &
	server=$!
	if await_server "$port" $server; then
		ab_requests "nginx + ab -c 20" -n 2000 -c 20
		ab_requests "nginx + ab -k -c 20" -n 5000 -c 20 -k
		large_file
	fi
	stop_server $server
}

throughput() # PORT ADDRESS NAME
{
	$launcher iperf3 -s -1 -p "$1" -B "$2" >$work/server 2>&1 &
	server=$!
	if await_server "$1" $server; then
		observe "$1" $launcher iperf3 -c "$2" -p "$1" -t 3 -f m &&
			note "$3|Mbit/s" more "$(awk '/receiver/ { for (i = 2; i <= NF; i++)
				if ($i == "Mbits/sec") print $(i - 1) }' $work/client)"
	fi
	stop_server $server
}

# These two ask for their family themselves: the only difference is socket()'s first argument.
hello() # PORT
{
	binary=hello_newproto
	[ "$family" = AF_NEWPROTO ] || binary=hello_tcp
	$binary server "$1" >$work/server 2>&1 &
	server=$!
	if await_server "$1" $server; then
		observe "$1" $binary client "$1" && note "hello_newproto.c|us per answer" less \
			"$(awk '{ print $1 }' $work/client)"
	fi
	stop_server $server
}

# --- the table -------------------------------------------------------------------------------

table()
{
	printf '\n%-25s %-14s %11s %11s %7s  %s\n' program measure TCP newproto ratio "carried by"
	awk -F '|' '
	{
		what = $1 FS $2
		if (!(what in better)) name[++count] = what
		better[what] = $3
		figure[what, $4] = $5
		carrier[what, $4] = $6
	}
	END {
		for (i = 1; i <= count; i++) {
			what = name[i]
			split(what, part, FS)
			tcp = figure[what, "TCP"]
			new = figure[what, "AF_NEWPROTO"]
			ratio = "-"
			if (tcp > 0 && new > 0 && better[what] == "more")
				ratio = sprintf("%.2f", new / tcp)
			if (tcp > 0 && new > 0 && better[what] == "less")
				ratio = sprintf("%.2f", tcp / new)
			printf "%-25s %-14s %11s %11s %7s  %s, %s\n", part[1], part[2],
				tcp ? tcp : "failed", new ? new : "failed", ratio,
				tcp ? carrier[what, "TCP"] : "-",
				new ? carrier[what, "AF_NEWPROTO"] : "-"
		}
	}' $rows
	echo
	echo "ratio: how many times as fast as TCP over loopback, in the same guest."
	echo "carried by: the TCP run, the newproto run; by sockets in /proc and packets on lo."
}

# Each run has a port of its own, so that a TCP socket that lingers cannot confuse anybody.
side_by_side() # TITLE FUNCTION PORT ARGUMENT...
{
	title=$1 program=$2 base=$3
	shift 3
	progress "$title over TCP"
	over TCP
	$program "$base" "$@"
	progress "$title over AF_NEWPROTO"
	over AF_NEWPROTO
	$program $((base + 1)) "$@"
}

main()
{
	progress "Linux $(uname -r), $(grep -c ^processor /proc/cpuinfo) CPUs: insmod newproto.ko"
	if ! insmod /test/newproto.ko; then
		fail "insmod newproto.ko"
		return 1
	fi
	newproto_run --check redis-server >$work/check || fail "newproto_run --check redis-server"
	sed 's/^/# /' $work/check
	printf '%s\n' '<h1>Carried by whom?</h1>' >$work/www/small
	head -c $bytes /dev/urandom >$work/www/large
	side_by_side "redis-server and redis-benchmark" redis 6300
	side_by_side "nginx with ab and wget" web 8000
	side_by_side "iperf3" throughput 5200 127.0.0.1 "iperf3"
	side_by_side "iperf3 -6" throughput 5300 ::1 "iperf3, IPv6"
	side_by_side "the C program" hello 7700
	table
	if [ "$(wc -l <$sockets)" -gt 1 ]; then
		fail "sockets are left: $(cat $sockets)"
	fi
	progress "counters in /proc/net/newproto: $(tr '\n' ' ' <${sockets%/*}/counters)"
	rmmod newproto || fail "rmmod newproto"
	# redis SET and GET, ab twice, the large file twice, iperf3 twice, hello; twice each.
	[ "$(wc -l <$rows)" -eq 18 ] || fail "$(wc -l <$rows) of 18 figures were had"
	[ $failed -eq 0 ]
}

main
