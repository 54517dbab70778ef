// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno table again, for the doors that calls.c leaves out.
 */
#define OTHER_DOORS
#include "calls.c"
