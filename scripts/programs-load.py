#!/usr/bin/python3.11
# SPDX-License-Identifier: GPL-2.0-only
#
# programs-load.py PORT THREADS: clients of a redis that is restarted under them. Each opens a
# connection for each command, without pause, and wants its own number back by ECHO. They begin when
# the first connection could be made, of which "ready" says that it is tried from now on, and end at
# SIGTERM, each with what it is at. The last line says how their connections went, in words
# NAME=NUMBER:
#
#	connected	connect() succeeded; the next three, and some of "late", are parts of it
#	answered	the number came back
#	broken		the connection ended before, as it must if the server that has accepted it
#			is killed
#	wrong		something else came back
#	refused		connect() failed with ECONNREFUSED
#	failed		connect() failed otherwise
#	late		nothing happened for LIMIT seconds

import collections
import os
import signal
import socket
import sys
import threading
import time

# Longer than any grace time.
LIMIT = 70
NAMES = ('connected', 'answered', 'broken', 'wrong', 'refused', 'failed', 'late')

stop = threading.Event()


def answer_of(s, size):
    """What comes back, up to size bytes; less if the connection ends before."""
    data = b''
    while len(data) < size:
        more = s.recv(size - len(data))
        if not more:
            break
        data += more
    return data


def talk(s, number):
    """One command over a connection. Returns the word for how it went."""
    text = b'%d' % number
    wanted = b'$%d\r\n%s\r\n' % (len(text), text)
    try:
        s.sendall(b'ECHO %s\r\n' % text)
        data = answer_of(s, len(wanted))
    except TimeoutError:
        return 'late'
    except OSError:
        return 'broken'
    if data == wanted:
        return 'answered'
    if wanted.startswith(data):
        return 'broken'
    print('wanted %r, and %r came back' % (wanted, data))
    return 'wrong'


def one_command(port, number, count):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(LIMIT)
        try:
            s.connect(('127.0.0.1', port))
        except ConnectionRefusedError:
            count['refused'] += 1
            return
        except TimeoutError:
            print('connect() for number %d has not returned after %d s' % (number, LIMIT))
            count['late'] += 1
            return
        except OSError as error:
            print('connect() for number %d: %s' % (number, error))
            count['failed'] += 1
            return
        count['connected'] += 1
        how = talk(s, number)
        count[how] += 1
        if how == 'late':
            print('no answer for number %d after %d s' % (number, LIMIT))


def client(port, first, step, count):
    number = first
    while not stop.is_set():
        one_command(port, number, count)
        number += step


def first_connection(port):
    """Waits for the server, of which nobody has said that it is there yet."""
    end = time.monotonic() + LIMIT
    while True:
        count = collections.Counter()
        one_command(port, 0, count)
        if count['connected']:
            return count
        if stop.is_set() or time.monotonic() > end:
            sys.exit('no server in %d s: %s' % (LIMIT, dict(count)))
        time.sleep(0.02)


def main():
    port, nthreads = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGTERM, lambda signo, frame: stop.set())
    print('ready', flush=True)
    counts = [first_connection(port)]
    threads = []
    for i in range(nthreads):
        counts.append(collections.Counter())
        threads.append(threading.Thread(target=client, args=(port, i + 1, nthreads, counts[-1])))
        threads[-1].start()
    while not stop.wait(1):
        pass
    for thread in threads:
        thread.join()
    total = sum(counts, collections.Counter())
    print(*('%s=%d' % (name, total[name]) for name in NAMES))
    sys.stdout.flush()
    os._exit(0)


main()
