// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno table of the calls that move bytes, see calls.c.
 */
#define ROWS "errno_data_rows.h"
#include "calls.c"
