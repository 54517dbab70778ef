#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In each of two guests of vms.sh: AF_NEWPROTO over npnic between machines, with programs that do
# not know of it. The first has the clients, and tells the second what to serve.

# shellcheck disable=SC2317 # check calls them

. ./nic-vm.sh
# shellcheck source=SCRIPTDIR/nginx.sh
. ./nginx.sh

proc=/proc/net/newproto
server=10.8.0.2
page=$work/page

# Over the family, on the machine's npnic.
over_nic() {
	newproto_run --device "$dev" "$@"
}

# --- what is there -----------------------------------------------------------------------------

family_has() { # PATTERN
	grep -E "$1" $proc/sockets
}

# A connection at the port that is on the direct path, and nobody of TCP there.
carried() { # PORT
	family_has "^stream ESTAB .*:$1 .* direct\$" &&
		! grep -i ":$(printf %04X "$1") " /proc/net/tcp /proc/net/tcp6
}

counted() { # NAME
	sed -n "s/^$1[: ]*//p" $proc/counters
}

nobody_left() {
	! family_has ' direct$'
}

# --- servers -----------------------------------------------------------------------------------

started() { # PORT COMMAND...
	awaited=$1
	shift
	over_nic "$@" >"$work/server.$awaited" 2>&1 &
	soon 10 family_has "^stream LISTEN .*:$awaited " || tail -n 5 "$work/server.$awaited"
}

serve_wire() { # PORT
	started "$1" np_wire serve $server "$1"
}

serve_redis() {
	started 6379 redis-server --port 6379 --bind $server --save '' --loglevel warning \
		--protected-mode no --dir $work
}

serve_nginx() { # MIB
	mkdir -p $work/www
	echo "from the other machine" >$work/www/small
	dd if=/dev/urandom of=$work/www/large bs=1M count="$1" 2>/dev/null
	{
		printf '%s\n' 'daemon off;' 'worker_processes 1;' 'error_log stderr;'
		nginx_conf $work 8080 | sed "s/127\.0\.0\.1/$server/"
	} >$work/nginx.conf
	started 8080 nginx -p $work -c $work/nginx.conf || return
	md5sum <$work/www/large
}

ended() { # PROGRAM
	killall "$1" && soon 5 fails pidof "$1"
}

# --- clients -----------------------------------------------------------------------------------

wire() { # WHAT PORT ARGUMENT...
	wire=$1 wire_port=$2
	shift 2
	timeout 100 /programs/bin/newproto_run --device "$dev" np_wire "$wire" $server "$wire_port" "$@"
}

connect_says() { # ADDRESS PORT ERROR
	said=$(timeout 30 /programs/bin/newproto_run --device "$dev" np_wire connect "$1" "$2")
	equal "connect" "$said" "$3"
}

redis() {
	timeout 30 /programs/bin/newproto_run --device "$dev" redis-cli -h $server "$@"
}

both_join() {
	modprobe npnic && npnic_up && awake 2 && on 2 joined && soon 10 peers_up_are 1
}

if [ "$NP_VM" != 1 ]; then
	serve
	exit 1
fi

# --- connections -------------------------------------------------------------------------------

is_down() {
	ip link set "$dev" down
	connect_says $server 7000 ENETDOWN && ip link set "$dev" up && soon 10 carrier_is 1 &&
		soon 10 peers_up_are 1
}

server_late() {
	connect_says $server 7000 ECONNREFUSED && on 2 serve_wire 7000 &&
		connect_says $server 7000 connected
}

path_is_direct() {
	wire count 7000 4 >$work/count 2>&1 &
	client=$!
	soon 5 carried 7000 && on 2 carried 7000 && wait $client
}

many_cycles() {
	connected=$(counted connected)
	accepted=$(on 2 counted accepted)
	wire cycles 7000 $((1000 * scale)) && wire cycles 7000 $((1000 * scale)) || return
	equal "connected" "$(counted connected)" $((connected + 2000 * scale)) &&
		equal "accepted there" "$(on 2 counted accepted)" $((accepted + 2000 * scale))
}

all_given_back() {
	soon 5 nobody_left && on 2 soon 5 nobody_left
}

counters_tell() {
	sed 's/^/here: /' $proc/counters
	[ "$(counted refused)" -ge 1 ] && [ "$(counted unreachable)" -ge 1 ] &&
		[ "$(value ctl_doorbells)" -gt 0 ]
}

echo "@@test sockets"
check "two machines" both_join
if [ $failed = 1 ]; then
	on 2 leave
	exit 1
fi
check "an address that nobody has: EHOSTUNREACH" connect_says 10.8.0.77 7000 EHOSTUNREACH
check "a port where nobody listens: ECONNREFUSED" connect_says $server 7001 ECONNREFUSED
check "the device is down: ENETDOWN" is_down
check "the server is started after the first connect()" server_late
check "20 MB both ways at once" wire pattern 7000 $((20000000 * scale))
check "/proc/net/newproto/sockets has the path, and TCP no socket" path_is_direct
check "200 connections at once" wire many 7000 200
check "thousands, one after the other" many_cycles
check "nothing is left of them" all_given_back
check "200 at once again" wire many 7000 200
check "counters" counters_tell

# --- programs ----------------------------------------------------------------------------------

redis_commands() {
	on 2 serve_redis || return
	equal "SET" "$(redis SET colour green)" OK && equal "GET" "$(redis GET colour)" green &&
		equal "INCR" "$(redis -r 20 INCR n | tail -n 1)" 20 || return
	dd if=/dev/urandom bs=1M count=1 2>/dev/null | base64 -w 0 >$work/value
	equal "a long value" "$(redis -x SET long <$work/value)" OK || return
	redis --raw GET long | tr -d '\n' | cmp - $work/value
}

redis_bench() {
	timeout 60 /programs/bin/newproto_run --device "$dev" redis-benchmark -h $server -t set,get \
		-n 4000 -c 20 -P 4 -d 100 --csv >$work/bench 2>&1 &
	client=$!
	soon 10 carried 6379 && wait $client
	status=$?
	cat $work/bench
	[ $status = 0 ] && grep '^"SET","[1-9]' $work/bench && grep '^"GET","[1-9]' $work/bench &&
		equal "keys" "$(redis EXISTS key:__rand_int__)" 1
}

redis_ends() {
	on 2 ended redis-server && connect_says $server 6379 ECONNREFUSED
}

nginx_file() {
	on 2 serve_nginx 8 >$work/sum || return
	over_nic wget -q -T 30 -O $page http://$server:8080/large && md5sum <$page >$work/got &&
		cat $work/sum $work/got && cmp $work/sum $work/got
}

nginx_load() { # AB-ARGUMENT...
	timeout 60 /programs/bin/newproto_run --device "$dev" ab -q -n 400 -c 20 "$@" \
		http://$server:8080/small >$work/ab 2>&1
	status=$?
	cat $work/ab
	[ $status = 0 ] && grep -q '^Complete requests: *400$' $work/ab &&
		grep -q '^Failed requests: *0$' $work/ab
}

nginx_ends() {
	on 2 ended nginx && all_given_back
}

check "redis: commands, and a long value" redis_commands
check "redis-benchmark" redis_bench
check "redis ends" redis_ends
check "nginx: a file of 8 MiB" nginx_file
check "nginx: 400 connections" nginx_load
check "nginx: connections that are kept" nginx_load -k
check "nginx ends" nginx_ends

# --- a machine that is silent, or gone -----------------------------------------------------------

# Both begin before it is frozen, and end after.
frozen() {
	stalls=$(value stalls)
	rm -f $work/stop
	wire count 7000 8 >$work/count 2>&1 &
	counting=$!
	while [ ! -e $work/stop ]; do
		wire pattern 7000 2000000
	done >$work/pattern 2>&1 &
	writing=$!
	soon 5 carried 7000 && sleep 1 && host freeze 2 5 || return
	wait $counting
	status=$?
	touch $work/stop
	wait $writing
	cat $work/count $work/pattern
	equal "stalls" "$(value stalls)" $((stalls + 1)) && [ $status = 0 ] &&
		grep 'bytes each way' $work/pattern && fails grep np_wire: $work/pattern &&
		awk '/longest/ { exit $6 < 4 }' $work/count && wire pattern 7000 1000000
}

# While no frame was outstanding that could have told.
not_stalled() {
	soon 2 peer_states 2 && echo_request 2
}

peer_states() { # STATE
	ethtool -S "$dev" | grep "peer[0-9]*_state: $1"
}

# The host says when QEMU is gone. A reader and a writer both have to know soon.
killed() {
	wire until 7000 60 >$work/until 2>&1 &
	echoing=$!
	wire bulk 7000 65536 60 >$work/bulk 2>&1 &
	writing=$!
	soon 5 carried 7000 && sleep 1 && host kill 2 || return
	soon 2 fails kill -0 $echoing && soon 2 fails kill -0 $writing
	status=$?
	cat $work/until $work/bulk
	[ $status = 0 ] && grep '^Connection reset by peer after' $work/until &&
		grep 'send: Connection reset by peer' $work/bulk && soon 5 nobody_left &&
		connect_says $server 7000 EHOSTUNREACH
}

again() {
	host restart 2 && both_again && on 2 serve_wire 7000 && wire pattern 7000 4000000 &&
		wire many 7000 50
}

both_again() {
	awake 2 && on 2 joined && soon 10 peers_up_are 1
}

not_cut() {
	[ "$(value down_timeout)" = 0 ] && [ "$(value down_bad_index)" = 0 ] &&
		[ "$(value down_bad_record)" = 0 ]
}

removed() {
	soon 5 rmmod npnic && rmmod newproto
}

check "the server's machine is frozen for 5 s: nothing is lost" frozen
check "frames go there, too" not_stalled
check "it is killed under traffic: ECONNRESET, soon" killed
check "it is started again, and served from" again
check "nobody was cut off" not_cut
on 2 ended np_wire
on 2 leave
check "the modules are removed" removed
echo "1..$number"
echo "@@end sockets 0 $(cut -d. -f1 /proc/uptime)"
