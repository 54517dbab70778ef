# SPDX-License-Identifier: GPL-2.0-only
#
# The front door; "make help" says what there is. The modules themselves are described
# in Kbuild, which the kernel's build system reads in place of this file.

KDIR ?= $(lastword $(shell ls -d /lib/modules/*/build/Makefile 2>/dev/null | sed 's,/Makefile$$,,' | sort -V))
PREFIX ?= /usr/local
MANDIR ?= $(PREFIX)/share/man
INCLUDEDIR ?= $(PREFIX)/include
DESTDIR ?=
MAN7 := $(wildcard Documentation/*.7 Documentation/man/*.7 Documentation/man7/*.7)

# Several targets are names of directories.
.PHONY: all modules tools selftests kunit check check-long static demo bench sparse checkpatch
.PHONY: coccicheck uninstall install modules_install clean help have-kdir

all: modules tools

help:
	@echo 'Building'
	@echo '  all          modules and tools (the default)'
	@echo '  modules      newproto.ko, against the kernel in KDIR'
	@echo '  tools        newproto_run and its preload library'
	@echo '  selftests    the test programs, into selftests/output'
	@echo '  install      modules, tools, man pages and <linux/newproto.h>'
	@echo '  uninstall    remove what install has installed'
	@echo '  clean        remove what was built in this tree'
	@echo
	@echo 'Testing (packages that are missing are installed, test kernels are built once)'
	@echo '  kunit        the KUnit tests under user-mode Linux: seconds, for every day'
	@echo '  check        everything, on a debug kernel and on the stock kernel in QEMU:'
	@echo '               some 45 minutes on two cores, and once the debug kernel'
	@echo '  check-long   the same, with ten times longer loops'
	@echo '  static       only what needs no guest: W=1, sparse, checkpatch, coccicheck, ...'
	@echo '  sparse, checkpatch, coccicheck   one of them'
	@echo
	@echo 'Seeing'
	@echo '  demo         redis, nginx, iperf3 and a C program over AF_NEWPROTO, in QEMU;'
	@echo '               and redis between two machines'
	@echo '  bench        instructions per operation and times, side by side with pipe,'
	@echo '               AF_UNIX, TCP and AF_VSOCK, in QEMU'
	@echo
	@echo 'Variables'
	@echo '  KDIR=DIR     the kernel to build against; now: $(or $(KDIR),none found)'
	@echo '  PREFIX=DIR   where install puts tools and man pages; now: $(PREFIX)'
	@echo '  DESTDIR=DIR  put before every path that install writes to'
	@echo '  NEWPROTO_CACHE=DIR   kernels and logs; default: ~/.cache/newproto'
	@echo '  V=1, W=1, C=2        as in the kernel'

have-kdir:
	@test -e '$(KDIR)/Makefile' || { \
		echo 'No kernel to build against: $(or $(KDIR)/Makefile does not exist, no headers found below /lib/modules).'; \
		echo 'Install them (Debian: apt-get install linux-headers-amd64, or linux-headers-cloud-amd64), or set KDIR.'; \
		exit 1; } >&2

modules: have-kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

tools:
	$(MAKE) -C tools

selftests:
	$(MAKE) -C selftests

kunit:
	scripts/kunit.sh uml

check:
	scripts/check.sh

check-long:
	scripts/check.sh --long

static sparse checkpatch coccicheck:
	scripts/check.sh $@

demo:
	scripts/demo.sh

bench:
	scripts/bench.sh

modules_install: have-kdir
	$(MAKE) -C $(KDIR) M=$(CURDIR) $(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR)) modules_install
	$(if $(DESTDIR),,depmod -a $$(cat $(KDIR)/include/config/kernel.release))

install: modules tools modules_install
	$(MAKE) -C tools install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) MANDIR=$(MANDIR)
	install -d $(DESTDIR)$(INCLUDEDIR)/linux $(DESTDIR)$(MANDIR)/man7
	install -m 644 include/uapi/linux/newproto.h $(DESTDIR)$(INCLUDEDIR)/linux
	$(if $(MAN7),install -m 644 $(MAN7) $(DESTDIR)$(MANDIR)/man7)

uninstall:
	$(MAKE) -C tools uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) MANDIR=$(MANDIR)
	rm -f $(DESTDIR)$(INCLUDEDIR)/linux/newproto.h
	rm -f $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(MAN7)))
	rm -f $(DESTDIR)/lib/modules/*/updates/newproto*.ko $(DESTDIR)/lib/modules/*/extra/newproto*.ko

clean:
	$(if $(wildcard $(KDIR)/Makefile),$(MAKE) -C $(KDIR) M=$(CURDIR) clean)
	$(MAKE) -C tools clean
	$(MAKE) -C selftests clean
