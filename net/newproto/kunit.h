/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the KUnit module needs of newproto.ko is exported only on kernels that
 * have KUnit; on others nothing is.
 */
#ifndef _NP_KUNIT_H
#define _NP_KUNIT_H

#include <linux/export.h>
#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_KUNIT)
#define EXPORT_SYMBOL_NP_KUNIT(symbol)	EXPORT_SYMBOL_GPL(symbol)
#else
#define EXPORT_SYMBOL_NP_KUNIT(symbol)	static_assert(true)
#endif

#endif /* _NP_KUNIT_H */
