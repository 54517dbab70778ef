// SPDX-License-Identifier: GPL-2.0-only
/*
 * "file_caps set FILE" gives FILE a capability, as setcap does. "file_caps as UID PROGRAM ..." runs
 * PROGRAM as that user. Both are for root, and are in no minimal system under one name.
 */
#include <endian.h>
#include <err.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <linux/capability.h>

static int set_capability(const char *path)
{
	struct vfs_cap_data data = {
		.magic_etc = htole32(VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE),
		.data[0].permitted = htole32(1 << CAP_NET_BIND_SERVICE),
	};

	if (setxattr(path, "security.capability", &data, sizeof(data), 0))
		err(1, "%s", path);
	return 0;
}

static int run_as(uid_t uid, char *argv[])
{
	if (setgroups(0, NULL) || setgid(uid) || setuid(uid))
		err(1, "setuid");
	execv(argv[0], argv);
	err(1, "%s", argv[0]);
}

int main(int argc, char *argv[])
{
	if (argc == 3 && !strcmp(argv[1], "set"))
		return set_capability(argv[2]);
	if (argc > 3 && !strcmp(argv[1], "as"))
		return run_as(atoi(argv[2]), argv + 3);
	errx(1, "usage: file_caps set FILE | file_caps as UID PROGRAM ...");
}
