// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of channels: bytes in, bytes out, and what memory they take.
 */
#include "lib.h"

/* Where channels begin in the tests: far from and around the wrap of the
 * position, and where its sign changes.
 */
static const u32 np_starts[] = {
	0, 0xffffffff, 0xfffffe00, NP_BEFORE_WRAP(PAGE_SIZE),
	NP_BEFORE_WRAP(PAGE_SIZE - 1), NP_BEFORE_WRAP(20000),
	0x7fffffff, 0x80000000 - PAGE_SIZE / 2,
};

static void np_channel_init_state(struct kunit *test)
{
	struct np_chan *c = np_tchan_new(test, 0);
	u8 byte = 7;

	KUNIT_EXPECT_EQ(test, refcount_read(&c->ref), 2U);
	KUNIT_EXPECT_EQ(test, c->lowat, 1U);
	KUNIT_EXPECT_EQ(test, np_chan_used(c), 0U);
	KUNIT_EXPECT_EQ(test, np_chan_avail(c), (size_t)0);
	KUNIT_EXPECT_FALSE(test, np_chan_at_eof(c));
	KUNIT_EXPECT_EQ(test, np_test_read(&c, &byte, 1), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_test_peek(c, &byte, 1), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_chan_drop(&c, 1), (size_t)0);
	KUNIT_EXPECT_EQ(test, np_test_write(c, &byte, 0, 100), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, np_test_write(c, &byte, 1, 0), (ssize_t)0);
	KUNIT_EXPECT_EQ(test, byte, 7);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
	np_chan_reader_leave(c);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 0);
	np_chan_writer_leave(c);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 1);
}

/* Sizes around the borders of every class of chunk. */
static const u32 np_sizes[] = {
	1, 2, 64,
	NP_TEST_SMALL - 1, NP_TEST_SMALL, NP_TEST_SMALL + 1, NP_CHUNK_SLAB,
	PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1, 2 * PAGE_SIZE, 3 * PAGE_SIZE - 1,
	(PAGE_SIZE << NP_CHUNK_ORDER) - 1, PAGE_SIZE << NP_CHUNK_ORDER,
	(PAGE_SIZE << NP_CHUNK_ORDER) + 1, 3 * (PAGE_SIZE << NP_CHUNK_ORDER) + 5,
};

static void np_size_desc(const u32 *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u bytes", *size);
}

KUNIT_ARRAY_PARAM(np_sizes, np_sizes, np_size_desc);

static void np_channel_one_write(struct kunit *test)
{
	u32 size = *(const u32 *)test->param_value;
	struct np_tstream s;
	int i;

	for (i = 0; i < ARRAY_SIZE(np_starts); i++) {
		np_tstream_open(&s, test, np_starts[i], NP_TEST_CAP);
		np_tstream_put(&s, size);
		KUNIT_EXPECT_EQ(test, s.tx->head, np_starts[i] + size);
		KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), size);
		KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)size);
		KUNIT_EXPECT_EQ(test, np_test_peek(s.rx, s.buf, size + 1), (ssize_t)size);
		np_tstream_look(&s, size);
		np_tstream_get(&s, size);
		KUNIT_EXPECT_EQ(test, s.rx->tail, np_starts[i] + size);
		KUNIT_EXPECT_EQ(test, np_test_read(&s.rx, s.buf, 1), (ssize_t)0);
		np_tstream_close(&s);
	}
}

/* Two writes, the border between them read across, by reads that split it. */
static void np_channel_two_writes(struct kunit *test)
{
	u32 size = *(const u32 *)test->param_value;
	struct np_tstream s;
	int i;

	for (i = 0; i < ARRAY_SIZE(np_starts); i++) {
		np_tstream_open(&s, test, np_starts[i], NP_TEST_CAP);
		np_tstream_put(&s, size);
		np_tstream_put(&s, 5);
		np_tstream_look(&s, size + 5);
		np_tstream_get(&s, size - 1);
		np_tstream_look(&s, 6);
		np_tstream_get(&s, 3);
		np_tstream_put(&s, size);
		np_tstream_look(&s, size + 3);
		np_tstream_get(&s, 3);
		np_tstream_look(&s, 1);
		np_tstream_get(&s, size);
		KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)0);
		np_tstream_close(&s);
	}
}

/* Write pieces of the size until two large chunks are full, then read so. */
static void np_channel_many_writes(struct kunit *test)
{
	u32 size = *(const u32 *)test->param_value, sum = 0;
	u32 n = min_t(u32, 2 * NP_CHUNK_LARGE / size + 1, 2000);
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(NP_CHUNK_LARGE / 2), NP_TEST_CAP);
	for (i = 0; i < n; i++, sum += size)
		np_tstream_put(&s, size);
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), sum);
	for (i = 0; i < n; i++) {
		np_tstream_look(&s, min_t(size_t, np_chan_avail(s.rx), 2 * size));
		np_tstream_get(&s, size);
	}
	KUNIT_EXPECT_EQ(test, np_chan_used(s.tx), 0U);
	np_tstream_close(&s);
}

static void np_channel_drops(struct kunit *test)
{
	u32 size = *(const u32 *)test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(size / 2), NP_TEST_CAP);
	np_tstream_put(&s, size);
	np_tstream_put(&s, size);
	np_tstream_drop(&s, 0);
	np_tstream_drop(&s, 1);
	np_tstream_look(&s, 2 * size - 1);
	np_tstream_drop(&s, size - 1);
	np_tstream_look(&s, size);
	np_tstream_drop(&s, size / 2);
	np_tstream_get(&s, size - size / 2);
	KUNIT_EXPECT_EQ(test, np_chan_drop(&s.rx, 1), (size_t)0);
	np_tstream_put(&s, size);
	KUNIT_EXPECT_EQ(test, np_chan_drop(&s.rx, 2 * size), (size_t)size);
	np_tstream_close(&s);
}

/* The first chunk that a write gets, and how it goes on from there. */
static const struct np_class_row {
	u32 size;
	u32 cap;
	u32 first;
	u32 bytes;
} np_class_rows[] = {
	{ 1, NP_TEST_CAP, NP_TEST_SMALL, NP_TEST_SMALL },
	{ NP_TEST_SMALL, NP_TEST_CAP, NP_TEST_SMALL, NP_TEST_SMALL },
	{ NP_TEST_SMALL + 1, NP_TEST_CAP, PAGE_SIZE, PAGE_SIZE },
	{ PAGE_SIZE, NP_TEST_CAP, PAGE_SIZE, PAGE_SIZE },
	{ PAGE_SIZE + 1, NP_TEST_CAP, NP_CHUNK_LARGE, NP_CHUNK_LARGE },
	{ NP_CHUNK_LARGE, NP_TEST_CAP, NP_CHUNK_LARGE, NP_CHUNK_LARGE },
	{ NP_CHUNK_LARGE + 1, NP_TEST_CAP, NP_CHUNK_LARGE, 2 * NP_CHUNK_LARGE },
	{ PAGE_SIZE + 1, 4 * NP_CHUNK_LARGE, NP_CHUNK_LARGE, NP_CHUNK_LARGE },
	{ PAGE_SIZE + 1, 4 * NP_CHUNK_LARGE - 1, PAGE_SIZE, 2 * PAGE_SIZE },
	{ 3 * PAGE_SIZE, 16384, PAGE_SIZE, 3 * PAGE_SIZE },
	{ 1000, 300, NP_TEST_SMALL, NP_TEST_SMALL },
};

static void np_class_desc(const struct np_class_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u of capacity %u", r->size, r->cap);
}

KUNIT_ARRAY_PARAM(np_class, np_class_rows, np_class_desc);

static void np_channel_chunk_class(struct kunit *test)
{
	const struct np_class_row *r = test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, 0, r->cap);
	np_tstream_write(&s, r->size);
	KUNIT_EXPECT_EQ(test, s.tx->old->cap, r->first);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)r->bytes);
	np_tstream_get(&s, min(r->size, r->cap));
	np_tstream_close(&s);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
}

/* As long as nobody reads, each chunk is larger than the one before. */
static void np_channel_growth(struct kunit *test)
{
	static const u32 want[] = { NP_TEST_SMALL, NP_CHUNK_PAGE,
				    NP_CHUNK_LARGE, NP_CHUNK_LARGE };
	const struct np_chunk *k;
	struct np_tstream s;
	u32 sum = 0;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	for (i = 0; i < ARRAY_SIZE(want); i++)
		sum += want[i];
	while (np_chan_used(s.tx) < sum)
		np_tstream_put(&s, min(64U, sum - np_chan_used(s.tx)));
	for (i = 0, k = s.tx->old; i < ARRAY_SIZE(want) && k; i++, k = k->next)
		KUNIT_EXPECT_EQ(test, k->cap, want[i]);
	KUNIT_EXPECT_EQ(test, i, (int)ARRAY_SIZE(want));
	KUNIT_EXPECT_NULL(test, k);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)sum);
	np_tstream_drop(&s, sum);
	np_tstream_close(&s);
}

/* Short messages back and forth cost one slab object, however many. */
static void np_channel_short_messages(struct kunit *test)
{
	const struct np_chunk *k = NULL;
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0xfffff000, NP_TEST_CAP);
	for (i = 0; i < 5000; i++) {
		np_tstream_put(&s, 1 + i % 64);
		if (!k)
			k = s.tx->w;
		KUNIT_ASSERT_PTR_EQ(test, s.tx->w, k);
		np_tstream_get(&s, 1 + i % 64);
	}
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), (long)NP_TEST_SMALL);
	np_tstream_close(&s);
}

/* Messages of mixed sizes, each read before the next: memory stays bounded. */
static void np_channel_mixed_messages(struct kunit *test)
{
	static const u32 sizes[] = { 64, 3 * PAGE_SIZE, 1, 3 * NP_CHUNK_LARGE,
				     NP_TEST_SMALL, PAGE_SIZE, 9 };
	struct np_tstream s;
	long after = 0;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	for (i = 0; i < 60 * ARRAY_SIZE(sizes); i++) {
		np_tstream_put(&s, sizes[i % ARRAY_SIZE(sizes)]);
		np_tstream_get(&s, sizes[i % ARRAY_SIZE(sizes)]);
		if (i < 10 * ARRAY_SIZE(sizes))
			after = max(after, np_tenv_bytes(test));
	}
	KUNIT_EXPECT_LE(test, np_tenv_bytes(test), after);
	KUNIT_EXPECT_LE(test, after, 8L * NP_CHUNK_LARGE);
	np_tstream_close(&s);
}

/* A reader that stays behind: what it has read is used again. */
static void np_channel_window(struct kunit *test)
{
	const u32 window = 9 * NP_CHUNK_LARGE;
	struct np_tstream s;
	struct rnd_state rnd;
	long most = 0;
	u32 used;

	prandom_seed_state(&rnd, 1);
	np_tstream_open(&s, test, 0xfff00000, window);
	while (s.wpos < 8 << 20) {
		np_tstream_write(&s, np_test_random(&rnd, 1, NP_CHUNK_LARGE));
		used = np_chan_used(s.tx);
		if (used > window / 2)
			np_tstream_get(&s, np_test_random(&rnd, 1, window / 4));
		most = max(most, np_tenv_bytes(test));
	}
	KUNIT_EXPECT_LE(test, most, (long)(window + 4 * NP_CHUNK_LARGE));
	np_tstream_drop(&s, np_chan_used(s.tx));
	np_tstream_close(&s);
}

/* As above, but with a chunk before the last that was left behind long ago,
 * half a turn of the positions: it must not keep the others from use.
 */
static void np_channel_left_long_ago(struct kunit *test)
{
	struct np_tstream s;
	int i;

	np_tstream_open(&s, test, 0, NP_TEST_CAP);
	np_tstream_put(&s, 64);
	np_tstream_get(&s, 64);
	for (i = 0; i < 3; i++) {
		np_tstream_put(&s, NP_CHUNK_LARGE);
		np_tstream_get(&s, NP_CHUNK_LARGE);
	}
	KUNIT_ASSERT_PTR_EQ(test, s.tx->w, s.tx->r);
	/* As if as many bytes had passed through the last chunk alone. */
	s.tx->head += 0x80000000;
	s.tx->tail += 0x80000000;
	s.tx->w->start += 0x80000000;

	np_tstream_put(&s, NP_CHUNK_LARGE);
	for (i = 0; i < 64; i++) {
		np_tstream_put(&s, NP_CHUNK_LARGE);
		np_tstream_get(&s, NP_CHUNK_LARGE);
	}
	KUNIT_EXPECT_LE(test, np_tenv_bytes(test), 6L * NP_CHUNK_LARGE);
	np_tstream_drop(&s, np_chan_used(s.tx));
	np_tstream_close(&s);
}

static const struct np_model_row {
	u32 cap;
	u32 most;
	u32 start;
} np_model_rows[] = {
	{ 1, 3, 0xffffff00 },
	{ 2, 5, 0x7fffff00 },
	{ 100, 120, 0xfffff000 },
	{ NP_TEST_SMALL, 700, 0xffff0000 },
	{ PAGE_SIZE, 2 * PAGE_SIZE, 0x80000000 - 5 * PAGE_SIZE },
	{ 3 * PAGE_SIZE + 1, PAGE_SIZE, NP_BEFORE_WRAP(5 * PAGE_SIZE) },
	{ 65536, 3000, NP_BEFORE_WRAP(65536) },
	{ 4 * NP_CHUNK_LARGE, 2 * NP_CHUNK_LARGE, NP_BEFORE_WRAP(2 * NP_CHUNK_LARGE) },
	{ NP_TEST_CAP, 3 * NP_CHUNK_LARGE, NP_BEFORE_WRAP(2 * NP_TEST_CAP) },
	{ NP_TEST_CAP, 50, NP_BEFORE_WRAP(500) },
};

static void np_model_desc(const struct np_model_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "capacity %u, up to %u, from 0x%x",
		 r->cap, r->most, r->start);
}

KUNIT_ARRAY_PARAM(np_model, np_model_rows, np_model_desc);

/* Calls in any order, compared with what a plain counter says. */
static void np_channel_model(struct kunit *test)
{
	const struct np_model_row *r = test->param_value;
	u32 used = 0, n, want;
	struct rnd_state rnd;
	struct np_tstream s;
	int i;

	prandom_seed_state(&rnd, r->cap);
	np_tstream_open(&s, test, r->start, r->cap);
	for (i = 0; i < 1500; i++) {
		n = np_test_random(&rnd, 1, r->most);
		want = min(n, r->cap - used);
		switch (np_test_random(&rnd, 0, 5)) {
		case 0 ... 2:
			KUNIT_EXPECT_EQ(test, np_tstream_write(&s, n), (ssize_t)want);
			used += want;
			break;
		case 3:
			want = min(n, used);
			np_tstream_get(&s, want);
			used -= want;
			break;
		case 4:
			np_tstream_look(&s, min(n, used));
			break;
		case 5:
			want = min(n, used);
			np_tstream_drop(&s, want);
			used -= want;
			break;
		}
		KUNIT_ASSERT_EQ(test, np_chan_used(s.tx), used);
		KUNIT_ASSERT_EQ(test, np_chan_room(s.tx, r->cap), r->cap - used);
	}
	KUNIT_EXPECT_EQ(test, np_chan_avail(s.rx), (size_t)used);
	np_tstream_close(&s);
}

static const u32 np_caps[] = { 1, 2, 3, 99, NP_TEST_SMALL, NP_TEST_SMALL + 1,
	PAGE_SIZE - 1, PAGE_SIZE, 5000, 2 * (PAGE_SIZE << NP_CHUNK_ORDER) + 1 };

KUNIT_ARRAY_PARAM(np_caps, np_caps, np_size_desc);

static void np_channel_full(struct kunit *test)
{
	u32 cap = *(const u32 *)test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, NP_BEFORE_WRAP(cap / 2), cap);
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, cap + 100), (ssize_t)cap);
	KUNIT_EXPECT_EQ(test, np_chan_room(s.tx, cap), 0U);
	KUNIT_EXPECT_FALSE(test, np_chan_writable(s.tx, cap));
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 1), (ssize_t)0);
	np_tstream_get(&s, 1);
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 2), (ssize_t)1);

	/* The capacity is the owner's to change between calls. */
	s.cap = cap - 1;
	KUNIT_EXPECT_EQ(test, np_chan_room(s.tx, s.cap), 0U);
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 1), (ssize_t)0);
	s.cap = cap + 7;
	KUNIT_EXPECT_EQ(test, np_tstream_write(&s, 8), (ssize_t)7);
	np_tstream_get(&s, cap + 7);
	np_tstream_close(&s);
}

static const struct np_writable_row {
	u32 cap;
	u32 used;
	bool writable;
} np_writable_rows[] = {
	{ 0, 0, false }, { 1, 0, true }, { 1, 1, false }, { 2, 1, true },
	{ 3, 2, true }, { 3, 3, false }, { 300, 0, true }, { 300, 200, true },
	{ 300, 201, false }, { 300, 300, false }, { 100, 101, false },
	{ 100, 67, true }, { 100, 68, false },
};

static void np_writable_desc(const struct np_writable_row *r, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u of %u", r->used, r->cap);
}

KUNIT_ARRAY_PARAM(np_writable, np_writable_rows, np_writable_desc);

static void np_channel_writable(struct kunit *test)
{
	const struct np_writable_row *r = test->param_value;
	struct np_tstream s;

	np_tstream_open(&s, test, 0xffffffff, NP_TEST_CAP);
	if (r->used)
		np_tstream_put(&s, r->used);
	KUNIT_EXPECT_EQ(test, np_chan_writable(s.tx, r->cap), r->writable);
	KUNIT_EXPECT_EQ(test, np_chan_room(s.tx, r->cap),
			r->used < r->cap ? r->cap - r->used : 0);
	np_tstream_close(&s);
}

/* Many segments on both sides, of sizes that do not match. */
static void np_channel_segments(struct kunit *test)
{
	struct kvec in[10], out[7];
	u32 i, off, len = 5 * 1000;
	struct np_tstream s;
	struct iov_iter it;
	u8 *copy;

	np_tstream_open(&s, test, 0xffffff00, NP_TEST_CAP);
	copy = kunit_kzalloc(test, len, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, copy);
	np_pattern_fill(s.buf, 0, len);
	for (i = 0, off = 0; i < ARRAY_SIZE(in); off += in[i].iov_len, i++) {
		in[i].iov_base = s.buf + off;
		in[i].iov_len = i % 2 ? 999 : 1;
	}
	iov_iter_kvec(&it, ITER_SOURCE, in, ARRAY_SIZE(in), len);
	KUNIT_EXPECT_EQ(test, np_chan_write(s.tx, &it, NP_TEST_CAP), (ssize_t)len);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&it), (size_t)0);

	for (i = 0, off = 0; i < ARRAY_SIZE(out); off += out[i].iov_len, i++) {
		out[i].iov_base = copy + off;
		out[i].iov_len = min_t(u32, 823, len - off);
	}
	iov_iter_kvec(&it, ITER_DEST, out, ARRAY_SIZE(out), len);
	KUNIT_EXPECT_EQ(test, np_chan_read(&s.rx, &it, len), (ssize_t)len);
	KUNIT_EXPECT_EQ(test, iov_iter_count(&it), (size_t)0);
	KUNIT_EXPECT_TRUE(test, np_pattern_is(copy, 0, len));
	np_tstream_close(&s);
}

/* Who leaves first, and with what left in the channel. */
static const struct np_leave_row {
	const char *name;
	u32 data;
	u32 read;
	bool mark;
	bool reader_first;
} np_leave_rows[] = {
	{ "reader, unused", 0, 0, false, true },
	{ "writer, unused", 0, 0, false, false },
	{ "reader, unread", 70000, 0, false, true },
	{ "writer, unread", 70000, 0, false, false },
	{ "reader, half read", 70000, 35000, false, true },
	{ "writer, half read", 70000, 35000, false, false },
	{ "reader, all read", 70000, 70000, false, true },
	{ "writer, all read", 70000, 70000, false, false },
	{ "reader, marked", 100, 0, true, true },
	{ "writer, marked", 100, 0, true, false },
	{ "reader, empty and marked", 0, 0, true, true },
	{ "writer, empty and marked", 0, 0, true, false },
	{ "reader, read and marked", 9000, 9000, true, true },
	{ "writer, read and marked", 9000, 9000, true, false },
};

static void np_leave_desc(const struct np_leave_row *r, char *desc)
{
	strscpy(desc, r->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(np_leave, np_leave_rows, np_leave_desc);

static void np_channel_leave(struct kunit *test)
{
	const struct np_leave_row *r = test->param_value;
	bool unread = r->read < r->data;
	struct np_tstream s;

	np_tstream_open(&s, test, 0xffffff00, NP_TEST_CAP);
	if (r->data)
		np_tstream_put(&s, r->data);
	if (r->read)
		np_tstream_get(&s, r->read);
	if (r->mark)
		np_chan_finish(s.tx, NULL);
	if (r->reader_first)
		KUNIT_EXPECT_EQ(test, np_chan_reader_leave(s.rx), unread);
	else
		np_chan_writer_leave(s.tx);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 0);
	KUNIT_EXPECT_EQ(test, refcount_read(&s.tx->ref), 1U);
	if (r->reader_first)
		np_chan_writer_leave(s.tx);
	else
		KUNIT_EXPECT_EQ(test, np_chan_reader_leave(s.rx), unread);
	KUNIT_EXPECT_EQ(test, np_tenv_released(test), 1);
	KUNIT_EXPECT_EQ(test, np_tenv_bytes(test), 0L);
}

static struct kunit_case np_channel_cases[] = {
	KUNIT_CASE(np_channel_init_state),
	KUNIT_CASE_PARAM(np_channel_one_write, np_sizes_gen_params),
	KUNIT_CASE_PARAM(np_channel_two_writes, np_sizes_gen_params),
	KUNIT_CASE_PARAM(np_channel_many_writes, np_sizes_gen_params),
	KUNIT_CASE_PARAM(np_channel_drops, np_sizes_gen_params),
	KUNIT_CASE_PARAM(np_channel_chunk_class, np_class_gen_params),
	KUNIT_CASE(np_channel_growth),
	KUNIT_CASE(np_channel_short_messages),
	KUNIT_CASE(np_channel_mixed_messages),
	KUNIT_CASE(np_channel_window),
	KUNIT_CASE(np_channel_left_long_ago),
	KUNIT_CASE_PARAM(np_channel_model, np_model_gen_params),
	KUNIT_CASE_PARAM(np_channel_full, np_caps_gen_params),
	KUNIT_CASE_PARAM(np_channel_writable, np_writable_gen_params),
	KUNIT_CASE(np_channel_segments),
	KUNIT_CASE_PARAM(np_channel_leave, np_leave_gen_params),
	{}
};

static struct kunit_suite np_channel_suite = {
	.name = "newproto_channel",
	.init = np_tenv_init,
	.exit = np_tenv_exit,
	.test_cases = np_channel_cases,
};

kunit_test_suite(np_channel_suite);
