// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno table of the calls that move bytes again, for the doors that
 * calls_data.c leaves out.
 */
#define ROWS "errno_data_rows.h"
#define OTHER_DOORS
#include "calls.c"
