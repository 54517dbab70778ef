// SPDX-License-Identifier: GPL-2.0-only
/* newproto_run --device: what a network device is. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>

#include <linux/npnic.h>

#include "newproto_run.h"

/* Any socket serves for this; those of the other families may be the preload library's. */
static int ask(unsigned long request, struct ifreq *ifr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret, error;

	if (fd < 0)
		return -1;
	ret = ioctl(fd, request, ifr);
	error = errno;
	close(fd);
	errno = error;
	return ret;
}

int device_inspect(const char *name, struct device_facts *facts)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { };

	memset(facts, 0, sizeof(*facts));
	if (!*name || strlen(name) >= sizeof(ifr.ifr_name)) {
		errno = ENODEV;
		return -1;
	}
	strcpy(ifr.ifr_name, name);
	if (ask(SIOCGIFFLAGS, &ifr))
		return -1;
	facts->is_up = ifr.ifr_flags & IFF_UP;

	/* Devices without a driver, such as lo, have no answer to this. */
	ifr.ifr_data = (void *)&info;
	if (!ask(SIOCETHTOOL, &ifr)) {
		_Static_assert(sizeof(facts->driver) > sizeof(info.driver), "no room");
		memcpy(facts->driver, info.driver, sizeof(info.driver));
	}
	facts->is_npnic = !strcmp(facts->driver, NPNIC_KIND);
	return 0;
}
