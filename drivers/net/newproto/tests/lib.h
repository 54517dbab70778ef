/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of the leaves share. They are KUnit tests, and are built for user space
 * with a few macros in its place: tools/npnic-test/kunit_user.h.
 */
#ifndef _NPNIC_TESTS_LIB_H
#define _NPNIC_TESTS_LIB_H

#ifdef __KERNEL__
#include <kunit/test.h>
#include <linux/vmalloc.h>
#else
#include "kunit_user.h"
#endif

#include "../layout.h"
#include "../link.h"
#include "../ring.h"

#define NPNIC_TEST_RING		NPNIC_RING_MIN
#define NPNIC_TEST_SEED		0x9e3779b97f4a7c15ULL

/**
 * struct npnic_tring - a ring and both of its ends
 * @prod: the producer's words
 * @cons: the consumer's words
 * @tx: the producer's end
 * @rx: the consumer's end
 * @data: NPNIC_TEST_RING bytes
 * @buf: room for the largest record
 */
struct npnic_tring {
	struct npnic_words prod;
	struct npnic_words cons;
	struct npnic_tx tx;
	struct npnic_rx rx;
	u8 *data;
	u8 *buf;
};

struct npnic_tring *npnic_tring_new(struct kunit *test, u32 max);
void npnic_tring_at(struct npnic_tring *r, u32 pos);
int npnic_tring_send(struct npnic_tring *r, u32 len, u32 seed);
int npnic_tring_recv(struct npnic_tring *r, u32 *len, u32 seed);

u32 npnic_test_random(u64 *state);

#endif /* _NPNIC_TESTS_LIB_H */
