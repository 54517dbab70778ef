#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# In the guest of programs.sh: restart a server under its clients, and count what these have seen.
#
#	programs-restart.sh reloads|upgrades PORT
#		nginx with "listen ... reuseport": 20 reloads with another number of workers each,
#		or 5 upgrades of the binary, under ab without keep-alive. Runs over whatever
#		carries its sockets, TCP if it was not started by newproto_run
#	programs-restart.sh kills PORT
#		redis under newproto_run --reuseport --grace 5000, killed and started again 20
#		times under programs-load.py
#	programs-restart.sh recipe PAGE
#		the recipe of PAGE, which is newproto-groups.rst, as it stands, under the same load
#
# It prints what the clients say as the line "clients: ...", and of the groups of PORT what
# /proc/net/newproto/groups says before the server ends, as "group: ...". The exit status is 0 if
# everything could be done that was to be done, whatever the clients have seen.

groups=/proc/net/newproto/groups
trace=/sys/kernel/tracing
work=/tmp/programs/restart
server_log=/tmp/programs/server
started=''		# processes to end, should this end early

# shellcheck source=SCRIPTDIR/guest/nginx.sh
. /test/nginx.sh

die()
{
	echo "$*"
	exit 1
}

# Servers are found by name: nobody else has any in this guest, and some are not our children.
cleanup()
{
	[ ! -e $work/said ] || cat $work/said
	# shellcheck disable=SC2046,SC2086 # lists of numbers
	kill -9 $started $(pidof ab nginx redis-server) 2>/dev/null
}
trap cleanup EXIT
trap 'exit 143' TERM

await() # WHAT COMMAND...
{
	what=$1
	shift
	tries=0
	until "$@"; do
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || die "not after 60 s: $what"
		usleep 50000
	done
}

gone() { ! kill -0 "$1" 2>/dev/null; }

# The sum of a column over the groups of $port.
group() # COLUMN
{
	awk -v port=":$port\$" -v column="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
		$1 == "group" && $3 ~ port { n += $(at[column]) }
		END { print n + 0 }' $groups
}

group_state() { awk -v port=":$port\$" '$1 == "group" && $3 ~ port { print $6 }' $groups; }

show_group()
{
	line="group:"
	for column in accepted pending waiting moved_in reset expired rescued; do
		line="$line $column=$(group $column)"
	done
	echo "$line"
}

# --- nginx -----------------------------------------------------------------------------------

configure() # WORKERS
{
	{
		echo "worker_processes $1;"
		# A new binary has no other variables than these.
		printf 'env %s;\n' LD_PRELOAD LD_LIBRARY_PATH NEWPROTO_DATAGRAMS
		echo "error_log stderr notice;"
		nginx_conf $work "$port" reuseport
	} >$work/nginx.conf
}

workers() # TITLE
{
	# shellcheck disable=SC2009 # busybox's pgrep does not count
	ps -o args | grep -c "^nginx: worker process$1\$"
}

listeners()
{
	if [ -n "$LD_PRELOAD" ]; then
		group members
	else
		awk -v port=":$(printf %04X "$port")\$" '$2 ~ port && $4 == "0A" { n++ }
			END { print n + 0 }' /proc/net/tcp
	fi
}

have_workers() { [ "$(workers '')" = "$1" ] && [ "$(workers ' is shutting down')" = 0 ]; }

settled() { have_workers "$1" && [ "$(listeners)" = "$1" ]; }

no_nginx() { [ -z "$(pidof nginx)" ]; }

master() { cat $work/nginx.pid 2>/dev/null; }

new_master() # OLD
{
	[ -e $work/nginx.pid.oldbin ] && [ -n "$(master)" ] && [ "$(master)" != "$1" ]
}

# One after the other if need be: ab gives up when ten connections could not be made.
keep_asking()
{
	n=0
	while [ ! -e $work/stop ]; do
		n=$((n + 1))
		ab -q -r -c 16 -n 1000000 "http://127.0.0.1:$port/small" >$work/ab.$n 2>&1 &
		echo $! >$work/ab.pid
		wait $!
	done
}

# SIGINT makes ab end with what it has to say.
ab_ended()
{
	kill -INT "$(cat $work/ab.pid)" 2>/dev/null
	gone "$asking"
}

# Failed is what ab counts as such; a connection that could not be made is among it, one that was
# reset up to three times, and a write that failed is not. A line of apr's is its last one.
sum_of_ab()
{
	cat $work/ab.* | awk '
		/^Complete requests:/ { complete += $3 }
		/^Total of / { complete += $3 }
		/^apr_.* \([0-9]+\)$/ { given_up++ }
		/^Failed requests:/ { failed += $3 }
		/^Write errors:/ { failed += $3 }
		/^ *\(Connect: / { connect += $2; receive += $4 }
		END {
			printf "clients: complete=%d failed=%d connect=%d receive=%d given_up=%d\n",
				complete, failed, connect, receive, given_up
		}'
}

reload() # WORKERS
{
	configure "$1"
	kill -HUP "$(master)"
	await "$1 workers and listeners" settled "$1"
}

# As nginx's documentation has it. The old master's sockets that the new one has no use for are
# closed only when that ends.
upgrade() # WORKERS
{
	old=$(master) before=$(workers '')
	configure "$1"
	kill -USR2 "$old"
	await "a new master" new_master "$old"
	await "the new master's $1 workers beside $before" have_workers $((before + $1))
	kill -WINCH "$old"
	await "the old master's workers gone" have_workers "$1"
	kill -QUIT "$old"
	await "the old master gone" gone "$old"
	await "$1 workers and listeners" settled "$1"
}

web() # reload|upgrade FIRST WORKERS...
{
	how=$1
	configure "$2"
	shift 2
	mkdir -p $work/www
	echo "what is asked for" >$work/www/small
	: >$work/ab.pid
	# It returns when it listens. A new binary is looked for where this one says it is.
	"$(command -v nginx)" -p $work -c $work/nginx.conf 2>>$server_log </dev/null ||
		die "nginx does not start"
	keep_asking &
	asking=$!
	started=$asking
	for n; do
		$how "$n"
	done
	: >$work/stop
	await "ab's last words" ab_ended
	started=''
	sum_of_ab
	[ -z "$LD_PRELOAD" ] || show_group
	kill -QUIT "$(master)"
	await "no nginx left" no_nginx
}

# --- redis -----------------------------------------------------------------------------------

load() # THREADS
{
	newproto_run python3.11 /test/programs-load.py "$port" "$1" >$work/load 2>&1 </dev/null &
	load=$!
	started=$load
	await "clients that are ready" grep -q '^ready' $work/load
}

end_load()
{
	kill "$load"
	await "the clients' last words" gone "$load"
	wait "$load" || die "the clients failed: $(cat $work/load)"
	started=''
	sed '$d' $work/load
	sed -n '$s/^/clients: /p' $work/load
}

start_redis()
{
	newproto_run --reuseport --grace "$grace" redis-server --port "$port" --bind 127.0.0.1 \
		--save '' --dir $work >>$server_log 2>&1 </dev/null &
	redis=$!
	started="$load $redis"
}

# Has a group of $port waited in vain, and as long as it should? Then the next server has taken
# longer than that to start.
overslept()
{
	awk -v port="port=$port" '
		/ newproto_group_grace: / && index($0, " " port " ") {
			for (i = 1; i <= NF; i++) {
				if ($i == "newproto_group_grace:") now = $(i - 1) + 0
				if ($i ~ /^group=/) group = $i
				if ($i ~ /^ms=/) ms = substr($i, 4)
			}
			if (/ reason=begin/) since[group] = now
			if (/ reason=expired/ && now - since[group] >= ms / 1000) found = 1
		}
		END { exit !found }' $trace/trace
}

no_group() { [ -z "$(group_state)" ]; }

# A machine that is so busy that the next server does not start in time shows nothing.
in_time() # COMMAND...
{
	echo 1 >$trace/events/newproto/newproto_group_grace/enable
	for grace in 5000 20000 60000; do
		echo >$trace/trace
		"$@" >$work/said
		overslept || break
		mv $work/said $work/said.$grace
		echo "a server did not start in time: once more"
		await "the end of the grace time" no_group
	done
	echo 0 >$trace/events/newproto/newproto_group_grace/enable
	[ -e $work/said ] || die "three times a server did not start in time"
}

# Have clients been served since the group had accepted N?
served_since() { [ "$(group accepted)" -ge $(($1 + 30)) ] || overslept; }

kills()
{
	load 16
	start_redis
	waited=0
	for n in $(seq 20); do
		await "30 connections accepted" served_since "$(group accepted)"
		kill -9 "$redis"
		wait "$redis" 2>/dev/null
		state=$(group_state)
		start_redis
		waited=$((waited + $(group pending) + $(group waiting)))
		! overslept || break
		[ "$state" = grace ] || die "kill $n: '$state', not in grace: $(cat $groups)"
	done
	await "30 connections accepted" served_since "$(group accepted)"
	end_load
	echo "kills: n=$n, at which $waited clients waited"
	show_group
	kill -9 "$redis"
	wait "$redis" 2>/dev/null
}

recipe() # PAGE
{
	rm -rf $work/recipe
	mkdir -p $work/recipe
	awk '/^\.\. recipe-begin$/ { inside = 1; next }
		/^\.\. recipe-end$/ { inside = 0 }
		inside && !/^\.\. code-block:: sh$/' "$1" >$work/recipe/recipe.sh
	grep -q newproto_run $work/recipe/recipe.sh || die "no recipe in $1"
	load 4
	(cd $work/recipe && exec sh ./recipe.sh) </dev/null >$work/recipe.out 2>&1
	echo "recipe: status=$?"
	sed 's/^/  /' $work/recipe.out
	[ ! -e $work/recipe/redis.log ] || cat $work/recipe/redis.log >>$server_log
	end_load
	show_group
	# shellcheck disable=SC2046 # a list of numbers
	kill -9 $(pidof redis-server)
}

rm -rf $work
mkdir -p $work
port=$2
case $1 in
reloads) web reload 2 4 1 3 2 4 2 1 4 3 1 4 1 3 2 4 2 1 4 3 1 ;;
upgrades) web upgrade 4 2 3 1 4 2 ;;
kills) in_time kills ;;
recipe)
	port=6379
	in_time recipe "$2"
	;;
*) die "programs-restart.sh: what is $1?" ;;
esac
