// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings, signals and handles between threads. A doorbell is a semaphore that is posted only
 * when the leaf says so; who waits for one in vain for some seconds has found a mistake.
 */
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "tests/lib.h"

#define PATIENCE	20	/* seconds */

static bool race_wait(sem_t *bell)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE;
	return !sem_timedwait(bell, &until);
}

/**
 * struct race - what the threads of a test share
 * @ring: a ring
 * @bell: doorbells: 0: of who sends, 1: of who receives
 * @records: how many are sent
 * @bells: how often a doorbell was rung
 * @flags: signals: 0: sender, 1: receiver
 * @link: their words
 * @bits: their bitmaps
 * @data: what each sender has to say
 * @raises: how often each does
 * @table: an export table
 * @stop: enough
 * @failed: why
 */
struct race {
	struct npnic_tring *ring;
	sem_t bell[2];
	u32 records;
	u32 bells;
	struct npnic_flags flags[2];
	struct npnic_link link[2];
	u64 bits[2];
	u32 data[2];
	u32 raises;
	struct npnic_export table[64];
	bool stop;
	const char *failed;
};

static u32 race_len(u32 i)
{
	return i % 97 ? i * 7919 % 3000 : i * 7919 % NPNIC_FRAME_MAX;
}

static void *race_producer(void *arg)
{
	struct race *r = arg;
	struct npnic_tx *tx = &r->ring->tx;
	u32 i, len;

	for (i = 0; i < r->records; i++) {
		len = race_len(i);
		while (npnic_tx_room(tx, len) == -EAGAIN) {
			if (npnic_tx_await(tx, len) && !race_wait(&r->bell[0])) {
				r->failed = "the producer was not woken";
				return NULL;
			}
		}
		if (len >= sizeof(i))
			npnic_tx_copy(tx, len - sizeof(i), &i, sizeof(i));
		npnic_tx_commit(tx, NULL, len);
		if (npnic_tx_publish(tx)) {
			r->bells++;
			sem_post(&r->bell[1]);
		}
	}
	return NULL;
}

static const char *race_consume(struct race *r)
{
	struct npnic_rx *rx = &r->ring->rx;
	struct npnic_rec rec;
	u32 i = 0, len, val;
	int ret;

	while (i < r->records) {
		ret = npnic_rx_next(rx, &rec, &len);
		if (ret < 0)
			return "an honest producer is called a liar";
		if (!ret) {
			if (npnic_rx_rest(rx) && !race_wait(&r->bell[1]))
				return "the consumer was not woken";
			continue;
		}
		val = i;
		if (len >= sizeof(val))
			npnic_rx_copy(rx, len - sizeof(val), &val, sizeof(val));
		if (len != race_len(i) || val != i)
			return "another record than was sent";
		npnic_rx_consume(rx, len);
		i++;
		if (npnic_rx_publish(rx))
			sem_post(&r->bell[0]);
	}
	return NULL;
}

static struct race *race_new(struct kunit *test)
{
	struct race *r = kunit_kzalloc(test, sizeof(*r), GFP_KERNEL);

	sem_init(&r->bell[0], 0, 0);
	sem_init(&r->bell[1], 0, 0);
	return r;
}

static void race_ring(struct kunit *test)
{
	struct race *r = race_new(test);
	const char *bad;
	pthread_t producer;

	r->ring = npnic_tring_new(test, NPNIC_FRAME_MAX);
	npnic_tring_at(r->ring, 0U - (1U << 28));
	r->records = 600000;
	pthread_create(&producer, NULL, race_producer, r);
	bad = race_consume(r);
	pthread_join(producer, NULL);
	if (bad || r->failed)
		printf("# %s\n", bad ? bad : r->failed);
	KUNIT_EXPECT_TRUE(test, !bad && !r->failed);
	KUNIT_EXPECT_LT(test, r->ring->rx.tail, 1U << 31);	/* it has wrapped */
	printf("# %u records, %u doorbells\n", r->records, r->bells);
}

struct raiser {
	struct race *r;
	u32 me;
};

static void *race_raiser(void *arg)
{
	struct raiser *a = arg;
	u32 i;

	for (i = 1; i <= a->r->raises; i++) {
		WRITE_ONCE(a->r->data[a->me], i);
		if (npnic_flag_raise(&a->r->flags[0], 7))
			sem_post(&a->r->bell[1]);
	}
	return NULL;
}

/* Two raise the same signal all the time; the last of each must not be lost. */
static void race_flags(struct kunit *test)
{
	struct race *r = race_new(test);
	struct raiser a[2] = { { r, 0 }, { r, 1 } };
	pthread_t t[2];
	u32 seen[2] = { 0, 0 }, i, taken = 0;
	bool woken = true;

	r->raises = 1000000;
	r->flags[0] = (struct npnic_flags) { .own = &r->link[0], .peer = &r->link[1],
		.send = &r->bits[0], .sent_acks = &r->bits[1], .n = 64 };
	r->flags[1] = (struct npnic_flags) { .own = &r->link[1], .peer = &r->link[0],
		.recv = &r->bits[0], .recv_acks = &r->bits[1], .n = 64 };
	WRITE_ONCE(r->link[1].want, cpu_to_le32(1));
	for (i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, race_raiser, &a[i]);
	while (woken && (seen[0] < r->raises || seen[1] < r->raises)) {
		npnic_flags_wake(&r->flags[1]);
		if (npnic_flags_take(&r->flags[1], 0)) {
			taken++;
			for (i = 0; i < 2; i++)
				seen[i] = READ_ONCE(r->data[i]);
		} else if (npnic_flags_rest(&r->flags[1])) {
			woken = race_wait(&r->bell[1]);
		}
	}
	for (i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	KUNIT_EXPECT_TRUE(test, woken);
	KUNIT_EXPECT_GT(test, taken, 0U);
	printf("# %u signals, %u taken\n", 2 * r->raises, taken);
}

static void *race_owner(void *arg)
{
	struct race *r = arg;
	u32 i, gen = 0, place;

	for (i = 0; !READ_ONCE(r->stop); i++) {
		/* The place follows from the generation that it is going to have. */
		place = (gen & 1 ? gen + 2 : gen + 1) % 50;
		gen = npnic_export_set(&r->table[0], place, place + 1);
		if (i % 3 == 0)
			gen = npnic_export_set(&r->table[0], 0, 0);
	}
	return NULL;
}

/* Whatever is found under a generation is what was shown under it, not half of the next. */
static void race_exports(struct kunit *test)
{
	struct npnic_layout l = { .exports = 64, .direct_size = 100 * NPNIC_PAGE };
	struct race *r = race_new(test);
	u32 i, gen, len, found = 0, bad = 0;
	pthread_t owner;
	u64 off;
	int err;

	pthread_create(&owner, NULL, race_owner, r);
	for (i = 0; i < 3000000 || (!found && i < 100000000); i++) {
		gen = le32_to_cpu(READ_ONCE(r->table[0].gen));
		err = npnic_export_get(&l, r->table, 0, gen, &off, &len);
		found += !err;
		bad += err ? err != -ENOENT :
		       off != gen % 50 * NPNIC_PAGE || len != off + NPNIC_PAGE;
	}
	WRITE_ONCE(r->stop, true);
	pthread_join(owner, NULL);
	KUNIT_EXPECT_EQ(test, bad, 0U);
	KUNIT_EXPECT_GT(test, found, 0U);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE(race_ring),
	KUNIT_CASE(race_flags),
	KUNIT_CASE(race_exports),
	{}
};

static struct kunit_suite race_suite = {
	.name = "npnic_race",
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);
