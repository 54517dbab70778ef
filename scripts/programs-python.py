#!/usr/bin/python3.11
# SPDX-License-Identifier: GPL-2.0-only
#
# programs-python.py LIST LAUNCHER...: Python's own tests of sockets, run by way of LAUNCHER. Prints
# TAP, a line for each test.
#
# What does not succeed is run again without LAUNCHER: a test that does no better there says nothing
# about the family. Where it does better, the test has to be in LIST, a line for each: its name;
# "always", or "sometimes" where it depends on who is faster; a word that it says when it fails; the
# reason. What always fails has to fail, so that nothing stays in LIST for ever.

import faulthandler
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

IPPROTO_NEWPROTO = 258
# One test hangs if it takes longer, and all of them together.
TEST_LIMIT = 40
WHOLE_LIMIT = 200
# Those about other sockets than TCP's and UDP's.
OTHERS = re.compile('CAN|ISOTP|J1939|RDS|QIPCRTR|VSOCK|Bluetooth|UDPLITE|SCTP|Unix|SCMRights|'
                    'SendRecvFds|AbstractNamespace|SocketPair|TIPC|KernelCrypto|Windows|MacOS|'
                    'TestSocketSharing|test_sendall_interrupted')


# --- the process that runs tests -----------------------------------------------------------------

to_parent = None


def say(*words):
    """Tells the parent; one write, so that lines of threads do not mix."""
    os.write(to_parent, (' '.join(words) + '\n').encode())


class Teller(unittest.TestResult):
    """Says how each test began and ended."""

    def startTest(self, test):
        super().startTest(test)
        self.verdict = 'pass'
        self.start = time.monotonic()
        faulthandler.dump_traceback_later(TEST_LIMIT, exit=True)
        say('begin', short(test.id()))

    def stopTest(self, test):
        faulthandler.cancel_dump_traceback_later()
        super().stopTest(test)
        say(self.verdict, short(test.id()), '%.1f' % (time.monotonic() - self.start))

    def failed(self, test, error):
        self.verdict = 'fail'
        sys.stderr.write('=== %s\n%s' % (test.id(), self._exc_info_to_string(error, test)))

    def addError(self, test, error):
        self.failed(test, error)

    def addFailure(self, test, error):
        self.failed(test, error)

    def addSubTest(self, test, subtest, error):
        if error:
            self.failed(subtest, error)

    def addUnexpectedSuccess(self, test):
        self.verdict = 'fail'
        sys.stderr.write('=== %s: a success that was not expected\n' % test.id())

    def addSkip(self, test, reason):
        self.verdict = 'skip'


def short(name):
    return name.removeprefix('test.test_socket.')


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def child(names):
    """Runs the tests named, or all that are about TCP or UDP; first names them."""
    from test import support, test_socket

    # As "python3 -m test" does it: nothing that needs the network of the world.
    support.use_resources = []
    for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
        for family in socket.AF_INET, socket.AF_INET6:
            with socket.socket(family, kind) as sock:
                say('protocol', str(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)))
    tests = {}
    for test in flatten(unittest.defaultTestLoader.loadTestsFromModule(test_socket)):
        if not OTHERS.search(short(test.id())):
            tests[short(test.id())] = test
    if not names:
        names = list(tests)
        for name in names:
            say('name', name)
    result = Teller()
    test_socket.setUpModule()
    unittest.TestSuite(tests[name] for name in names).run(result)
    unittest.case.doModuleCleanups()
    say('complete')
    # A thread that a failed test left behind must not keep the process.
    os._exit(0)


# --- the process that starts it and judges -------------------------------------------------------

class Run:
    """Runs tests, in as many processes as it takes: one that hangs takes its process with it."""

    def __init__(self, launcher, names=None):
        self.launcher = launcher
        self.names = list(names or [])
        self.deadline = time.monotonic() + WHOLE_LIMIT
        self.protocols = []
        self.verdicts = {}
        self.seconds = {}
        self.errors = ''
        # No names: all.
        while names != [] and not self.once():
            pass

    def once(self):
        """One process. Says whether there is nothing more to be run."""
        left = [name for name in self.names if name not in self.verdicts]
        if (self.names and not left) or time.monotonic() > self.deadline:
            return True
        read, write = os.pipe()
        with tempfile.TemporaryFile('w+', errors='replace') as errors:
            process = subprocess.Popen(self.launcher + [sys.executable, __file__, '--child',
                                                        str(write)] + left,
                                       stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                                       pass_fds=[write])
            os.close(write)
            late = threading.Timer(self.deadline - time.monotonic(), process.kill)
            late.start()
            with open(read) as lines:
                begun, complete = self.listen(lines)
            process.wait()
            late.cancel()
            errors.seek(0)
            said = errors.read()
        self.errors += said
        if complete:
            return True
        if begun is None or begun in self.verdicts:
            self.errors += '=== the tests ended after %s:\n%s' % (begun, said[-2000:])
            return True
        # It ended in the middle of a test: by a signal, or by the limit of one test.
        self.verdicts[begun] = 'fail'
        self.errors += '=== %s: did not end:\n%s' % (begun, said[-3000:])
        return False

    def listen(self, lines):
        """To the child, until it ends. Returns the test that was begun last, and if all were."""
        begun = None
        for line in lines:
            word, *rest = line.split()
            if word == 'name':
                self.names.append(rest[0])
            elif word == 'protocol':
                self.protocols.append(int(rest[0]))
            elif word == 'begin':
                begun = rest[0]
            elif word == 'complete':
                return begun, True
            else:
                self.verdicts[rest[0]] = word
                self.seconds[rest[0]] = float(rest[1])
        return begun, False

    def verdict(self, name):
        return self.verdicts.get(name, 'fail')

    def about(self, name):
        """What was said about a test."""
        parts = re.split('^=== ', self.errors, flags=re.M)
        return [part for part in parts if re.match(r'(test\.test_socket\.)?%s\b' %
                                                   re.escape(name), part)]


class Report:
    """TAP."""

    def __init__(self):
        self.count = 0
        self.bad = 0

    def result(self, good, name, why=''):
        self.count += 1
        self.bad += not good
        for line in why.splitlines():
            print('# ' + line)
        print('%sok %d - %s' % ('' if good else 'not ', self.count, name), flush=True)

    def end(self):
        print('1..%d' % self.count, flush=True)
        return 1 if self.bad else 0


class Listed:
    """A line of the list."""

    def __init__(self, line):
        self.name, self.when, self.says, self.reason = line.split(maxsplit=3)
        if self.when not in ('always', 'sometimes'):
            raise ValueError

    def judge(self, report, ours, plain):
        verdict, other = ours.verdict(self.name), plain.verdict(self.name)
        said = '\n'.join(ours.about(self.name))
        why = 'in the list of failures (%s), but ' % self.reason
        if self.name not in ours.names:
            report.result(False, self.name, why + 'there is no such test')
        elif verdict == 'pass':
            report.result(self.when == 'sometimes', self.name,
                          why + 'this time it passes' if self.when == 'sometimes' else
                          why + 'it passes: take it out')
        elif verdict == other:
            report.result(False, self.name, why + 'the same (%s) without newproto_run' % other)
        elif self.says not in said:
            report.result(False, self.name, why + 'it does not say %s:\n%s' % (self.says, said))
        else:
            report.result(True, '%s (%s fails, as listed)' % (self.name, self.when))


def read_list(path):
    """{name: Listed}"""
    listed = {}
    with open(path) as lines:
        for line in lines:
            if line.strip() and not line.startswith('#'):
                try:
                    item = Listed(line.strip())
                except ValueError:
                    sys.exit('%s: not as it should be: %s' % (path, line))
                listed[item.name] = item
    return listed


def judge(report, ours, plain, name):
    """A test that is not in the list."""
    verdict, other = ours.verdict(name), plain.verdict(name)
    if verdict == 'pass':
        report.result(True, name)
    elif verdict == other or other == 'fail':
        print('# %s: %s, without newproto_run too' % (name, verdict))
    else:
        report.result(False, name, '%s, and without newproto_run: %s\n%s' %
                      (verdict, other, '\n'.join(ours.about(name))))


def main():
    listed = read_list(sys.argv[1])
    report = Report()
    ours = Run(sys.argv[2:])
    report.result(ours.protocols and set(ours.protocols) == {IPPROTO_NEWPROTO},
                  'SO_PROTOCOL of streams and datagrams, IPv4 and IPv6', str(ours.protocols))
    worse = [name for name in ours.names if ours.verdict(name) != 'pass']
    plain = Run([], worse)
    for name in ours.names:
        if name not in listed:
            judge(report, ours, plain, name)
    for item in listed.values():
        item.judge(report, ours, plain)
    for name in sorted(ours.seconds, key=ours.seconds.get)[:-6:-1]:
        print('# slowest: %s, %.1f s' % (name, ours.seconds[name]))
    return report.end()


if __name__ == '__main__':
    if sys.argv[1] == '--child':
        to_parent = int(sys.argv[2])
        child(sys.argv[3:])
    sys.exit(main())
