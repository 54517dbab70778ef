// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rings, signals and lives in many orders of the single steps of all sides. Each access of
 * the leaves to shared memory gives the others a turn, and what is written waits in a
 * buffer, as a processor's, until a barrier or chance lets it go: x86's memory model.
 *
 * A side that has nothing to do sleeps until it is rung; a doorbell that is missing leaves
 * all asleep. TAP. Fixed seed: npnic-sched [RUNS [SEED]].
 */
#include <stdio.h>
#include <stdlib.h>
#include <ucontext.h>

#include "pure.h"

#define SIDES_MAX	3
#define BUFFER_MAX	16
#define STACK		(64 << 10)
#define STEPS_MAX	20000

struct store {
	void *to;
	size_t len;
	u64 val;
};

/**
 * struct side - one that runs on a processor of its own
 * @ctx: where it is
 * @done: it has returned
 * @asleep: it waits for a doorbell
 * @rung: there was one
 * @buffer: what it has written and nobody else sees yet, the oldest first
 * @n: how much that is
 */
struct side {
	ucontext_t ctx;
	bool done;
	bool asleep;
	bool rung;
	struct store buffer[BUFFER_MAX];
	unsigned int n;
};

static struct side side[SIDES_MAX];
static unsigned int sides, now;
static ucontext_t scheduler;
static u64 seed = 0x9e3779b97f4a7c15ULL;
static char stacks[SIDES_MAX][STACK] __attribute__((aligned(64)));

static u32 chance(u32 n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (u32)(seed >> 20) % n;
}

static void step(void)
{
	swapcontext(&side[now].ctx, &scheduler);
}

static void let_go(struct side *s)
{
	memcpy(s->buffer[0].to, &s->buffer[0].val, s->buffer[0].len);
	memmove(&s->buffer[0], &s->buffer[1], --s->n * sizeof(s->buffer[0]));
}

static void barrier_full(void)
{
	step();
	while (side[now].n)
		let_go(&side[now]);
}

static void life_note(const void *to, u32 val);

static void store(void *to, u64 val, size_t len)
{
	struct side *s = &side[now];

	step();
	life_note(to, val);
	if (s->n == BUFFER_MAX)
		let_go(s);
	s->buffer[s->n++] = (struct store) { .to = to, .len = len, .val = val };
}

static u64 load(const void *from, size_t len)
{
	struct side *s = &side[now];
	unsigned int i;
	u64 val = 0;

	step();
	for (i = s->n; i--;)
		if (s->buffer[i].to == from)
			return s->buffer[i].val;
	memcpy(&val, from, len);
	return val;
}

static u64 exchange(u64 *p, u64 old, u64 new)
{
	u64 was;

	barrier_full();
	was = *p;
	if (was == old)
		*p = new;
	return was;
}

#undef READ_ONCE
#undef WRITE_ONCE
#undef virt_mb
#undef virt_rmb
#undef virt_wmb
#undef virt_load_acquire
#undef virt_store_release
#undef cmpxchg64
#define READ_ONCE(x)	((__typeof__((x) + 0))load(&(x), sizeof(x)))
#define WRITE_ONCE(x, val)	store(&(x), val, sizeof(x))
#define virt_load_acquire(p)	READ_ONCE(*(p)) /* x86 has no other loads */
#define virt_store_release(p, val)	WRITE_ONCE(*(p), val) /* nor stores */
#define virt_rmb()	step() /* so these do nothing */
#define virt_wmb()	step() /* the same */
#define cmpxchg64(p, old, new)	exchange(p, old, new)
#ifdef BREAK_BARRIERS	/* to see that they are missed */
#define virt_mb()	step() /* does nothing */
#else
#define virt_mb()	barrier_full() /* waits until all is written */
#endif

#include "link.c"
#include "ring.c"

static void ring_bell(unsigned int whose)
{
	barrier_full(); /* a device's register is written after all before it */
	side[whose].rung = true;
}

static void sleep_until_rung(void)
{
	side[now].asleep = true;
	step();
	side[now].asleep = false;
	side[now].rung = false;
}

enum outcome { OUT_DONE, OUT_ASLEEP, OUT_ENDLESS };

/* Run until nobody can go on. @sticky: how likely it is that the same one goes on. One of
 * them stands still for a while, as a virtual machine's processor does at times.
 */
static enum outcome run(u32 sticky)
{
	unsigned int i, n, could[SIDES_MAX], writes[SIDES_MAX], w, left, steps;
	unsigned int still = chance(sides), from = chance(60), until = from + chance(50);

	for (steps = 0; steps < STEPS_MAX; steps++) {
		n = 0;
		w = 0;
		left = 0;
		for (i = 0; i < sides; i++) {
			if (!side[i].done && (!side[i].asleep || side[i].rung) &&
			    (i != still || steps < from || steps >= until))
				could[n++] = i;
			if (side[i].n)
				writes[w++] = i;
			left += !side[i].done;
		}
		if (!n && !w && steps < until) {
			until = steps;
			continue;
		}
		if (!n && !w)
			return left ? OUT_ASLEEP : OUT_DONE;
		if (w && (!n || !chance(6))) {
			let_go(&side[writes[chance(w)]]);
			continue;
		}
		for (i = 0; i < n && could[i] != now; i++)
			;
		if (i == n || chance(16) >= sticky)
			now = could[chance(n)];
		swapcontext(&scheduler, &side[now].ctx);
	}
	return OUT_ENDLESS;
}

static void (*body)(unsigned int me);

static void begin_side(int me)
{
	body(me);
	side[me].done = true;
	step();
}

static void side_init(struct side *s, char *stack, int me)
{
	getcontext(&s->ctx);
	s->ctx.uc_stack.ss_sp = stack;
	s->ctx.uc_stack.ss_size = STACK;
	makecontext(&s->ctx, (void (*)(void))begin_side, 1, me);
}

static enum outcome play(void (*fn)(unsigned int me), unsigned int n)
{
	static const u32 sticky[] = { 0, 8, 12, 15 };
	unsigned int i;

	body = fn;
	sides = n;
	now = 0;
	memset(side, 0, sizeof(side));
	for (i = 0; i < n; i++)
		side_init(&side[i], stacks[i], i);
	return run(sticky[chance(ARRAY_SIZE(sticky))]);
}

/* A ring with room for two or three records, between a producer and a consumer. */
#define RING	64
#define RECORDS	7

static struct npnic_words words[2];
static u8 ring_data[RING] __attribute__((aligned(64)));
static struct npnic_tx tx;
static struct npnic_rx rx;
static bool ring_bad;

static void ring_producer(void)
{
	u32 i, val;

	for (i = 0; i < RECORDS; i++) {
		while (npnic_tx_room(&tx, i & 1 ? 0 : sizeof(val)) == -EAGAIN) {
			if (npnic_tx_publish(&tx))
				ring_bell(1);
			if (npnic_tx_await(&tx, i & 1 ? 0 : sizeof(val)))
				sleep_until_rung();
		}
		val = i;
		if (!(i & 1))
			npnic_tx_copy(&tx, 0, &val, sizeof(val));
		npnic_tx_commit(&tx, NULL, i & 1 ? 0 : sizeof(val));
		if (chance(2) && npnic_tx_publish(&tx))
			ring_bell(1);
	}
	if (npnic_tx_publish(&tx))
		ring_bell(1);
}

static void ring_consumer(void)
{
	u32 got = 0, len, val;
	struct npnic_rec rec;
	int ret;

	while (got < RECORDS) {
		ret = npnic_rx_next(&rx, &rec, &len);
		if (!ret) {
			if (npnic_rx_publish(&rx))
				ring_bell(0);
			if (npnic_rx_rest(&rx))
				sleep_until_rung();
			continue;
		}
		val = got;
		if (ret == 1 && len == sizeof(val))
			npnic_rx_copy(&rx, 0, &val, sizeof(val));
		if (ret != 1 || val != got || len != (got & 1 ? 0 : sizeof(val))) {
			ring_bad = true;
			return;
		}
		npnic_rx_consume(&rx, len);
		got++;
		if (chance(2) && npnic_rx_publish(&rx))
			ring_bell(0);
	}
}

static void ring_side(unsigned int me)
{
	if (me)
		ring_consumer();
	else
		ring_producer();
}

static const char *test_ring(void)
{
	u32 at = chance(2) ? 0 : 0U - 16 * chance(12);

	memset(words, 0, sizeof(words));
	tx = (struct npnic_tx) { .own = &words[0], .peer = &words[1], .data = ring_data,
				 .size = RING, .max = RING - 16, .head = at, .published = at,
				 .tail = at };
	rx = (struct npnic_rx) { .own = &words[1], .peer = &words[0], .data = ring_data,
				 .size = RING, .max = RING - 16, .head = at, .published = at,
				 .tail = at };
	words[0].index = cpu_to_le32(at);
	words[1].index = cpu_to_le32(at);
	words[0].event = cpu_to_le32(at);
	words[1].event = cpu_to_le32(at);
	ring_bad = false;
	if (play(ring_side, 2) != OUT_DONE)
		return "somebody was not woken";
	return ring_bad ? "a record is wrong" : NULL;
}

/* Two that raise signals, mostly the same, and one that answers them. */
static struct npnic_link flag_link[2];
static u64 flag_bits[2];
static u32 flag_data[2];
static struct npnic_flags flag_end[2];
static u32 flag_id[2];
static u32 flag_raises[2];

static bool flag_all(const u32 *seen)
{
	return seen[0] == flag_raises[0] && seen[1] == flag_raises[1];
}

static void flag_side(unsigned int me)
{
	u32 i, seen[2] = { 0, 0 };
	u64 bits;

	if (me < 2) {
		for (i = 1; i <= flag_raises[me]; i++) {
			WRITE_ONCE(flag_data[me], i);
			if (npnic_flag_raise(&flag_end[0], flag_id[me]))
				ring_bell(2);
		}
		return;
	}
	while (!flag_all(seen)) {
		npnic_flags_wake(&flag_end[1]);
		bits = npnic_flags_take(&flag_end[1], 0);
		for (i = 0; i < 2; i++)
			if (bits >> flag_id[i] & 1)
				seen[i] = READ_ONCE(flag_data[i]);
		if (flag_all(seen))
			break;
		if (!bits && npnic_flags_rest(&flag_end[1]))
			sleep_until_rung();
	}
}

static const char *test_flags(void)
{
	memset(flag_link, 0, sizeof(flag_link));
	memset(flag_bits, 0, sizeof(flag_bits));
	memset(flag_data, 0, sizeof(flag_data));
	flag_link[1].want = cpu_to_le32(1);
	flag_end[0] = (struct npnic_flags) { .own = &flag_link[0], .peer = &flag_link[1],
		.send = &flag_bits[0], .sent_acks = &flag_bits[1], .n = 64 };
	flag_end[1] = (struct npnic_flags) { .own = &flag_link[1], .peer = &flag_link[0],
		.recv = &flag_bits[0], .recv_acks = &flag_bits[1], .n = 64 };
	flag_raises[0] = 1 + chance(3);
	flag_raises[1] = 1 + chance(3);
	flag_id[0] = 5;
	flag_id[1] = chance(8) ? 5 : 6;
	return play(flag_side, 3) == OUT_DONE ? NULL : "a signal was lost";
}

/* Two ends that look only when they are rung, and now and then begin anew. */
static struct npnic_link life_word[2];
static struct npnic_life life[2];
static u32 life_name, life_resets[2];
static bool life_endless, life_false;

/* By end, its life, and the other's: what it has accepted. */
#define NAMES	64
static bool life_accepted[2][NAMES][NAMES];

static void life_note(const void *to, u32 val)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		if (to == &life_word[i].ack && val)
			life_accepted[i][life[i].mine % NAMES][le32_to_cpu(val) % NAMES] = true;
}

static void life_reset(unsigned int me)
{
	npnic_life_end(&life[me]);
	npnic_life_begin(&life[me], ++life_name);
	ring_bell(!me);
}

static void life_side(unsigned int me)
{
	u32 lost = 0;

	life_reset(me);
	for (;;) {
		if (life_resets[me] && !chance(4)) {
			life_resets[me]--;
			life_reset(me);
		}
		switch (npnic_life_look(&life[me])) {
		case NPNIC_NEWS_NONE:
			sleep_until_rung();
			break;
		case NPNIC_NEWS_LOST:
			if (++lost > 10)
				life_endless = true;
			life_reset(me);
			break;
		case NPNIC_NEWS_UP:
			/* The other has accepted this very life, in the one that it is up with. */
			if (!life_accepted[!me][life[me].theirs % NAMES][life[me].mine % NAMES])
				life_false = true;
			ring_bell(!me);
			break;
		case NPNIC_NEWS_ACKED:
			ring_bell(!me);
			break;
		}
	}
}

static const char *test_life(void)
{
	unsigned int i;

	memset(life_word, 0, sizeof(life_word));
	memset(life, 0, sizeof(life));
	life_name = 0;
	life_endless = false;
	life_false = false;
	memset(life_accepted, 0, sizeof(life_accepted));
	for (i = 0; i < 2; i++) {
		life[i].own = &life_word[i];
		life[i].peer = &life_word[!i];
		life_resets[i] = chance(4);
	}
	if (play(life_side, 2) != OUT_ASLEEP || life_endless)
		return "the ends find no rest";
	if (life_false)
		return "one was up with a life that did not know of it";
	for (i = 0; i < 2; i++)
		if (life[i].state != NPNIC_LINK_UP || life[i].mine != life[!i].theirs)
			return "the ends do not agree";
	return NULL;
}

/* An owner shows one memory after another under one id, and another member looks. */
static struct npnic_export export_entry[64];
static bool export_bad;

static void export_side(unsigned int me)
{
	struct npnic_layout l = { .exports = 64, .direct_size = 100 * NPNIC_PAGE };
	u32 i, gen = 0, len;
	u64 off;
	int err;

	for (i = 0; i < 6; i++) {
		if (!me) {
			/* The place follows from the generation that it is going to have. */
			gen = gen & 1 ? gen + 2 : gen + 1;
			npnic_export_set(&export_entry[3], gen, gen + 1);
			if (!chance(3))
				gen = npnic_export_set(&export_entry[3], 0, 0);
			continue;
		}
		gen = le32_to_cpu(READ_ONCE(export_entry[3].gen));
		err = npnic_export_get(&l, export_entry, 3, gen, &off, &len);
		if (err ? err != -ENOENT :
		    off != gen * NPNIC_PAGE || len != off + NPNIC_PAGE)
			export_bad = true;
	}
}

static const char *test_export(void)
{
	memset(export_entry, 0, sizeof(export_entry));
	export_bad = false;
	if (play(export_side, 2) != OUT_DONE)
		return "somebody hangs";
	return export_bad ? "half of a handle was believed" : NULL;
}

static const struct {
	const char *name;
	const char *(*fn)(void);
} tests[] = {
	{ "ring_steps", test_ring },
	{ "flag_steps", test_flags },
	{ "life_steps", test_life },
	{ "export_steps", test_export },
};

int main(int argc, char **argv)
{
	unsigned int t, i, runs = argc > 1 ? strtoul(argv[1], NULL, 0) : 20000;
	const char *bad;
	int failed = 0;

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	printf("TAP version 13\n1..%zu\n", ARRAY_SIZE(tests));
	for (t = 0; t < ARRAY_SIZE(tests); t++) {
		u64 begun = seed;

		for (i = 0, bad = NULL; i < runs && !bad; i++) {
			begun = seed;
			bad = tests[t].fn();
		}
		if (bad)
			printf("# run %u, seed %#llx: %s\n", i, (unsigned long long)begun, bad);
		printf("%sok %u - %s\n", bad ? "not " : "", t + 1, tests[t].name);
		failed |= !!bad;
	}
	return failed;
}
