// SPDX-License-Identifier: GPL-2.0-only
/*
 * The errno table of datagram sockets, see calls.c.
 */
#define ROWS "errno_dgram_rows.h"
#include "calls.c"
