#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The part of programs.sh that runs in the guest, under busybox's sh:
#
#	programs-guest.sh [PROGRAM...]
#
# Each program runs over newproto_run --datagrams and has to do its work. Who carried it is not
# taken on trust: its port has to be seen in /proc/net/newproto/sockets and not in /proc/net/tcp or
# udp, and no packet may cross the loopback device.

export PATH="/programs/bin:$PATH" LD_LIBRARY_PATH=/programs/lib
sockets=/proc/net/newproto/sockets
groups=/proc/net/newproto/groups
work=/tmp/programs
limit=40		# seconds for one client
run="newproto_run --datagrams"
count=0

mkdir -p $work

result() # ok|"not ok" NAME
{
	count=$((count + 1))
	echo "$1 $count - $2"
}

# --- who carries a port ----------------------------------------------------------------------

# Does the family have a socket of TYPE (stream, dgram) with PORT at one of its ends?
family_has() # TYPE PORT
{
	grep -q "^$1 .*:$2 " $sockets
}

# Does TCP or UDP? One that only lingers after its end has no inode.
inet_has() # TYPE PORT
{
	protocol=tcp
	[ "$1" = stream ] || protocol=udp
	awk -v port=":$(printf %04X "$2")\$" '
		($2 ~ port || $3 ~ port) && $10 != 0 { found = 1 }
		END { exit !found }' /proc/net/$protocol /proc/net/${protocol}6
}

packets_on_lo() { awk '$1 == "lo:" { print $3 }' /proc/net/dev; }

# The sockets that the family has, for a failure.
show_sockets()
{
	sed 's/^/# /' $sockets $groups
	grep -h '[0-9]:' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6 | sed 's/^/# /'
}

# --- servers and clients ---------------------------------------------------------------------

# Starts a server and waits until somebody has its port; whether that is the family is seen when a
# client comes.
serve() # TYPE PORT COMMAND...
{
	type=$1 port=$2
	shift 2
	# shellcheck disable=SC2086 # two words
	timeout 120 $run "$@" >$work/server 2>&1 </dev/null &
	server=$!
	tries=0
	until family_has "$type" "$port" || inet_has "$type" "$port"; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ] || ! kill -0 $server 2>/dev/null; then
			echo "# no socket with port $port; the server said:"
			tail -n 10 $work/server | sed 's/^/#   /'
			show_sockets
			result "not ok" "$1: a server with $type port $port"
			end_server
			return 1
		fi
		usleep 100000
	done
}

end_server()
{
	kill "$server" 2>/dev/null
	tries=0
	while kill -0 "$server" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 50 ] || kill -9 "$server"
		usleep 100000
	done
	wait "$server" 2>/dev/null
}

# Runs a client, with its output in $work/client, while it looks who has PORT. It has to end with
# 0, and PATTERN (extended) has to be in its output.
client() # NAME TYPE PORT PATTERN COMMAND...
{
	name=$1 type=$2 port=$3 pattern=$4
	shift 4
	in_family=no in_inet=no
	packets=$(packets_on_lo)
	# shellcheck disable=SC2086 # two words
	timeout $limit $run "$@" >$work/client 2>&1 </dev/null &
	client=$!
	while :; do
		! family_has "$type" "$port" || in_family=yes
		! inet_has "$type" "$port" || in_inet=yes
		kill -0 $client 2>/dev/null || break
		usleep 100000
	done
	wait $client
	code=$?
	packets=$(($(packets_on_lo) - packets))
	if [ $code = 0 ] && grep -Eq "$pattern" $work/client &&
	   [ $in_family$in_inet$packets = yesno0 ]; then
		grep -E "$pattern" $work/client | tail -n 1 | cut -c 1-100 | sed 's/^/# /'
		result ok "$name"
		return
	fi
	echo "# exit code $code for 0; wanted /$pattern/ in:"
	tail -n 25 $work/client | cut -c 1-200 | sed 's/^/#   /'
	echo "# $type port $port: in the family: $in_family for yes; in TCP or UDP: $in_inet for no;"
	echo "# packets on lo: $packets for 0; the server, if any, said:"
	tail -n 10 $work/server | sed 's/^/#   /'
	result "not ok" "$name"
}

# --- the programs ----------------------------------------------------------------------------

sockperf_pair() # TYPE PORT OPTION...
{
	type=$1 port=$2
	shift 2
	serve "$type" "$port" sockperf sr -i 127.0.0.1 -p "$port" "$@" || return
	client "ping-pong, $type" "$type" "$port" 'Summary: Latency is [0-9.]+ usec' \
		sockperf pp --dontwarmup -i 127.0.0.1 -p "$port" -t 1 "$@"
	sed -n 's/.*: # dropped/# dropped/p' $work/client
	if grep -q '# dropped messages = 0; # duplicated messages = 0; # out-of-order messages = 0' \
		$work/client; then
		result ok "ping-pong, $type: all messages, in order"
	else
		result "not ok" "ping-pong, $type: all messages, in order"
	fi
	client "throughput, $type" "$type" "$port" 'Summary: Message Rate is [1-9][0-9]* ' \
		sockperf tp --dontwarmup -i 127.0.0.1 -p "$port" -t 1 -m 1000 "$@"
	end_server
}

run_sockperf()
{
	sockperf_pair stream 11111 --tcp
	sockperf_pair dgram 11112
}

# Sends $work/question by socat, which holds the socket open until the answer is BYTES long.
ask() # NAME TYPE PORT BYTES PATTERN SOCAT-ADDRESS
{
	cat >$work/ask.sh <<-END
		hold() {
			cat $work/question
			tries=0
			while [ \$(wc -c <$work/answer) -lt $4 ] && [ \$tries -lt 100 ]; do
				tries=\$((tries + 1))
				usleep 100000
			done
		}
		: >$work/answer
		hold | socat -t 0.5 - $6 >$work/answer
		code=\$?
		tr -d '\\000-\\011\\013-\\037' <$work/answer
		exit \$code
	END
	client "$1" "$2" "$3" "$5" sh $work/ask.sh
}

run_memcached()
{
	serve stream 11300 memcached -u nobody -l 127.0.0.1 -p 11300 -U 11300 -m 16 -t 2 || return
	printf 'set colour 0 0 5\r\ngreen\r\nget colour\r\n' >$work/question
	ask "TCP: set and get" stream 11300 38 '^green$' TCP4:127.0.0.1:11300
	{
		printf 'set large 0 0 20000\r\n'
		head -c 20000 /dev/zero | tr '\0' x
		printf '\r\nget large\r\n'
	} >$work/question
	ask "TCP: a value of 20,000 bytes" stream 11300 20036 '^x{20000}$' TCP4:127.0.0.1:11300
	# A frame: the number of the request, the datagram's in it, how many there are, and 0.
	printf '\000\001\000\000\000\001\000\000get colour\r\n' >$work/question
	ask "UDP: get what TCP has set" dgram 11300 38 '^green$' UDP4:127.0.0.1:11300
	printf '\000\002\000\000\000\001\000\000set day 0 0 6\r\nmonday\r\n' >$work/question
	ask "UDP: set" dgram 11300 16 'STORED$' UDP4:127.0.0.1:11300
	printf 'get day\r\n' >$work/question
	ask "TCP: get what UDP has set" stream 11300 28 '^monday$' TCP4:127.0.0.1:11300
	printf '\000\003\000\000\000\001\000\000get large\r\n' >$work/question
	ask "UDP: an answer of many datagrams" dgram 11300 20148 '^END$' UDP4:127.0.0.1:11300
	end_server
}

run_iperf3()
{
	rate='[1-9][0-9.]* [KMG]bits/sec.*receiver'
	serve stream 5201 iperf3 -s -p 5201 || return
	client "TCP" stream 5201 "$rate" iperf3 -c 127.0.0.1 -p 5201 -t 2
	client "TCP, reverse" stream 5201 "$rate" iperf3 -c 127.0.0.1 -p 5201 -t 1 -R
	client "UDP" dgram 5201 "$rate" iperf3 -c 127.0.0.1 -p 5201 -t 2 -u -b 20M -l 1400
	client "UDP, IPv6, reverse" dgram 5201 "$rate" \
		iperf3 -c ::1 -p 5201 -t 1 -u -b 20M -l 1400 -R
	client "UDP, four at once" dgram 5201 "SUM.*$rate" \
		iperf3 -c 127.0.0.1 -p 5201 -t 1 -u -b 5M -l 1400 -P 4
	end_server
}

# The ports are stress-ng's own defaults. What it does with domains and options that the family
# does not have is its business.
stressor() # NAME TYPE PORT OPTION...
{
	name=$1 type=$2 port=$3
	shift 3
	: >$work/server
	client "$name" "$type" "$port" "metrc: .* ${name%%,*} +[1-9]" \
		stress-ng "$@" -t 3 --metrics --temp-path $work
}

run_stress_ng()
{
	stressor sock stream 5000 --sock 1
	stressor "sock, IPv6" stream 5000 --sock 1 --sock-domain ipv6
	stressor "sock, nonblocking" stream 5000 --sock 1 --sock-nodelay --sock-opts random
	stressor sockmany stream 11000 --sockmany 1
	stressor udp dgram 7000 --udp 1
	stressor "udp, IPv6" dgram 7000 --udp 1 --udp-domain ipv6
}

# The last client has to have said so.
said() # NAME PATTERN
{
	if grep -Eq "$2" $work/client; then
		result ok "$1"
		return
	fi
	echo "# wanted /$2/ in:"
	tail -n 25 $work/client | cut -c 1-200 | sed 's/^/#   /'
	result "not ok" "$1"
}

# A server that is restarted by programs-restart.sh while its clients go on.
restarted() # PORT HOW ARGUMENT
{
	: >$work/server
	client "$2: done, and the clients served" stream "$1" \
		'^clients: (complete|connected)=[1-9]' sh /test/programs-restart.sh "$2" "$3"
	grep -E '^(group|kills): ' $work/client | sed 's/^/# /'
}

# What waited when a member went has moved, and nothing was lost.
lost_nothing() # NAME
{
	said "$1: what waited has moved" '^group: .* moved_in=[1-9]'
	said "$1: nothing was reset before accept()" '^group: .* reset=0 expired=0 '
}

nginx_restarted() # HOW
{
	restarted 8080 "$1" 8080
	said "$1: no request failed" '^clients: .* failed=0 connect=0 receive=0 given_up=0$'
	lost_nothing "$1"
	# For comparison; it is not asked to do well.
	timeout $limit sh /test/programs-restart.sh "$1" 8081 >$work/client 2>&1 </dev/null
	sed -n 's/^clients:/# TCP:/p' $work/client
}

run_nginx()
{
	limit=400
	nginx_restarted reloads
	nginx_restarted upgrades
	limit=40
}

# All that connected were accepted. What broke off had been, by a server that was killed then.
run_redis()
{
	limit=400
	restarted 6380 kills 6380
	said "kills: no connection was refused" '^clients: .* wrong=0 refused=0 failed=0 late=0$'
	lost_nothing kills
	connected=$(sed -n 's/^clients: connected=\([0-9]*\) .*/\1/p' $work/client)
	said "kills: all that connected were accepted" "^group: accepted=$connected pending=0 "
	restarted 6379 recipe /test/newproto-groups.rst
	said "recipe: it succeeds" '^recipe: status=0$'
	said "recipe: no connection was refused" '^clients: .* wrong=0 refused=0 failed=0 late=0$'
	lost_nothing recipe
	limit=40
}

# Prints TAP of its own, and ends with a plan.
run_python()
{
	printf '%s\n' 'daytime 13/tcp' 'domain 53/tcp' 'domain 53/udp' 'http 80/tcp' >/etc/services
	# shellcheck disable=SC2086 # two words
	python3.11 /test/programs-python.py /test/programs-python.txt $run
	code=$?
}

# --- all of them -----------------------------------------------------------------------------

# After a program: nothing of the family is left.
nothing_left()
{
	tries=0
	until awk 'FNR > 1 { exit 1 }' $sockets $groups &&
	      [ "$(cat /sys/module/newproto/refcnt)" = 0 ]; do
		tries=$((tries + 1))
		if [ $tries -gt 100 ]; then
			echo "# not after 10 s; references: $(cat /sys/module/newproto/refcnt)"
			show_sockets
			# shellcheck disable=SC2009 # busybox has no better pgrep
			ps | grep -v '\[' | sed 's/^/# /'
			return 1
		fi
		usleep 100000
	done
}

one() # PROGRAM
{
	count=0 code=0
	echo "@@test $1"
	start=$(cut -d. -f1 /proc/uptime)
	"run_$(echo "$1" | tr - _)"
	[ $count = 0 ] || echo "1..$count"
	echo "@@end $1 $code $(($(cut -d. -f1 /proc/uptime) - start))"

	count=0
	echo "@@test $1.after"
	if nothing_left; then
		result ok nothing_left
	else
		result "not ok" nothing_left
	fi
	echo "@@end $1.after 0 0"
}

[ $# -gt 0 ] || set -- sockperf memcached iperf3 stress-ng nginx redis python
echo "@@test newproto_run"
if insmod /test/newproto.ko && newproto_run --check --datagrams python3.11 >$work/check; then
	result ok "--check --datagrams"
else
	result "not ok" "--check --datagrams"
fi
sed 's/^/# /' $work/check
echo "@@end newproto_run 0 0"
for program; do
	one "$program"
done
echo "@@test module"
if rmmod newproto; then
	result ok "can be removed"
else
	result "not ok" "can be removed"
fi
echo "@@end module 0 0"
echo "@@complete"
