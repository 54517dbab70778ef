/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What libFuzzer calls.
 */
#ifndef _NPNIC_FUZZ_H
#define _NPNIC_FUZZ_H

#include "pure.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

#endif /* _NPNIC_FUZZ_H */
