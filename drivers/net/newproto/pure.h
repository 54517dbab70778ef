/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files that know neither devices nor the kernel need of either world: they are
 * part of the driver, of the fabric server, and of tests and fuzzers in user space.
 */
#ifndef _NPNIC_PURE_H
#define _NPNIC_PURE_H

#ifdef __KERNEL__
#include <asm/barrier.h>
#include <asm/byteorder.h>
#include <linux/align.h>
#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/compiler.h>
#include <linux/crc32.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/types.h>

static inline u32 npnic_crc32(const void *data, size_t len)
{
	return crc32_le(~0U, data, len) ^ ~0U;
}
#else
#include "pure_user.h"
#endif

#endif /* _NPNIC_PURE_H */
