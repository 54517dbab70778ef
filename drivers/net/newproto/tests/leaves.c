// SPDX-License-Identifier: GPL-2.0-only
/*
 * The leaves, for the tests: an object cannot be in two modules, and their symbols are
 * nobody else's business.
 */
#include <linux/module.h>

#include "../layout.c"
#include "../link.c"
#include "../ring.c"

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of npnic");
