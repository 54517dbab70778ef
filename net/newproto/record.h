/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Records: pieces of a channel's bytes that are written and read as a whole.
 * A leaf, as channels are.
 */
#ifndef _NP_RECORD_H
#define _NP_RECORD_H

#include <linux/types.h>

struct iov_iter;
struct np_chan;

/* What a record takes in the channel besides its bytes: their number. */
#define NP_RECORD_HEAD	((u32)sizeof(u32))

ssize_t np_record_write(struct np_chan *c, struct iov_iter *from, size_t len,
			u32 cap);
ssize_t np_record_read(struct np_chan **rx, struct iov_iter *to, size_t len,
		       size_t *full, bool peek);
size_t np_record_avail(const struct np_chan *c);

#endif /* _NP_RECORD_H */
