/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the KUnit module needs of newproto.ko is exported only on kernels that
 * have KUnit; on others nothing is. On those, tests can also make memory short.
 */
#ifndef _NP_KUNIT_H
#define _NP_KUNIT_H

#include <linux/compiler.h>
#include <linux/export.h>
#include <linux/kconfig.h>
#include <linux/minmax.h>
#include <linux/types.h>

#if IS_ENABLED(CONFIG_KUNIT)
#define EXPORT_SYMBOL_NP_KUNIT(symbol)	EXPORT_SYMBOL_GPL(symbol)

/* How many more buffers can be got before memory is short; -1: it never is. */
extern int np_kunit_memory;

static inline bool np_kunit_is_short(void)
{
	int n = READ_ONCE(np_kunit_memory);

	if (likely(n < 0))
		return false;
	WRITE_ONCE(np_kunit_memory, max(n - 1, 0));
	return !n;
}
#else
#define EXPORT_SYMBOL_NP_KUNIT(symbol)	static_assert(true)

static inline bool np_kunit_is_short(void)
{
	return false;
}
#endif

#endif /* _NP_KUNIT_H */
