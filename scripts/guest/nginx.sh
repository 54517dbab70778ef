# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh
#
# nginx.sh: in a guest, for the scripts that run nginx. Source it.
#
#	nginx_conf DIRECTORY PORT [LISTEN-OPTION...]
#
# prints a configuration for static files below DIRECTORY/www, without what belongs to the main
# context and differs: worker_processes, daemon, error_log, env.

nginx_conf()
{
	dir=$1 port=$2
	shift 2
	cat <<END
user root;
pid $dir/nginx.pid;
events { worker_connections 512; }
http {
	access_log off;
	sendfile on;
	keepalive_requests 100000;
	client_body_temp_path $dir/body;
	proxy_temp_path $dir/proxy;
	fastcgi_temp_path $dir/fastcgi;
	uwsgi_temp_path $dir/uwsgi;
	scgi_temp_path $dir/scgi;
	server {
		listen 127.0.0.1:$port $*;
		root $dir/www;
	}
}
END
}
