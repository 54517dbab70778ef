// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of prefaces: what is written is read, and what is wrong is not.
 */
#include "lib.h"
#include "preface.h"

static struct np_preface np_tpreface(enum np_form src, enum np_form dst)
{
	return (struct np_preface){
		.type = NP_PREFACE_CONNECT,
		.offers = NP_OFFER_DIRECT,
		.id = 0x01020304,
		.gen = 0xfffffffe,
		.src = np_form_addr(src, 40000),
		.dst = np_form_addr(dst, 80),
	};
}

static void np_preface_round_trip(struct kunit *test)
{
	struct np_preface p = np_tpreface(NP_FORM_V6_A, NP_FORM_V6_LO), q;
	struct np_preface_wire w;

	np_preface_write(&w, &p);
	KUNIT_ASSERT_EQ(test, np_preface_read(&q, &w, sizeof(w)), 0);
	KUNIT_EXPECT_EQ(test, q.type, p.type);
	KUNIT_EXPECT_EQ(test, q.offers, p.offers);
	KUNIT_EXPECT_EQ(test, q.id, p.id);
	KUNIT_EXPECT_EQ(test, q.gen, p.gen);
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&q.src.ip, &p.src.ip));
	KUNIT_EXPECT_TRUE(test, ipv6_addr_equal(&q.dst.ip, &p.dst.ip));
	KUNIT_EXPECT_EQ(test, q.src.port, p.src.port);
	KUNIT_EXPECT_EQ(test, q.dst.port, p.dst.port);
}

/* Every length that is too short, and any that is longer. */
static void np_preface_lengths(struct kunit *test)
{
	struct np_preface p = np_tpreface(NP_FORM_V4_A, NP_FORM_V4_B), q;
	u8 buf[sizeof(struct np_preface_wire) + 32] = { };
	u32 len;

	np_preface_write((struct np_preface_wire *)buf, &p);
	for (len = 0; len <= sizeof(buf); len++)
		KUNIT_EXPECT_EQ(test, np_preface_read(&q, buf, len),
				len < sizeof(struct np_preface_wire) ? -EPROTO : 0);
}

/* Every bit of what has to be as it is. */
static void np_preface_bits(struct kunit *test)
{
	struct np_preface p = np_tpreface(NP_FORM_V4_A, NP_FORM_V4_B), q;
	struct np_preface_wire w;
	int i, err;

	for (i = 0; i < 5 * 8; i++) {
		np_preface_write(&w, &p);
		((u8 *)&w)[i / 8] ^= BIT(i % 8);
		err = np_preface_read(&q, &w, sizeof(w));
		KUNIT_EXPECT_EQ_MSG(test, err, i < 32 ? -EPROTO : -EPROTONOSUPPORT,
				    "bit %d", i);
	}
}

static const struct np_preface_row {
	u8 type;
	u8 code;
	bool ok;
} np_preface_rows[] = {
	{ 0, 0, false }, { NP_PREFACE_CONNECT, 0, true },
	{ NP_PREFACE_CONNECT, NP_CODE_REFUSED, false }, { NP_PREFACE_ACCEPT, 0, true },
	{ NP_PREFACE_ACCEPT, NP_CODE_TIMEOUT, false }, { NP_PREFACE_REFUSE, 0, false },
	{ NP_PREFACE_REFUSE, NP_CODE_NOT_MINE, true },
	{ NP_PREFACE_REFUSE, NP_CODE_NO_MEMORY, true },
	{ NP_PREFACE_REFUSE, NP_CODE_NR, false }, { NP_PREFACE_REFUSE, 255, false },
	{ NP_PREFACE_BYE, 0, true }, { NP_PREFACE_BYE, 1, false },
	{ NP_PREFACE_BYE + 1, 0, false }, { 255, 0, false },
};

static void np_preface_types(struct kunit *test)
{
	struct np_preface p = np_tpreface(NP_FORM_V4_A, NP_FORM_V4_B), q;
	struct np_preface_wire w;
	int i;

	for (i = 0; i < ARRAY_SIZE(np_preface_rows); i++) {
		p.type = np_preface_rows[i].type;
		p.code = np_preface_rows[i].code;
		np_preface_write(&w, &p);
		KUNIT_EXPECT_EQ_MSG(test, np_preface_read(&q, &w, sizeof(w)),
				    np_preface_rows[i].ok ? 0 : -EPROTO,
				    "type %u code %u", p.type, p.code);
	}
}

/* Addresses that no connection is between. */
static void np_preface_addresses(struct kunit *test)
{
	static const struct {
		enum np_form src, dst;
		bool ok;
	} rows[] = {
		{ NP_FORM_V4_A, NP_FORM_V4_B, true },
		{ NP_FORM_V6_A, NP_FORM_V6_LO, true },
		{ NP_FORM_V4_A, NP_FORM_V6_A, false },
		{ NP_FORM_V6_A, NP_FORM_V4_A, false },
		{ NP_FORM_V4_ANY, NP_FORM_V4_A, false },
		{ NP_FORM_V4_A, NP_FORM_V4_ANY, false },
		{ NP_FORM_V6_ANY, NP_FORM_V6_A, false },
		{ NP_FORM_V6_A, NP_FORM_V6_ANY, false },
	};
	struct np_preface_wire w;
	struct np_preface p, q;
	int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		p = np_tpreface(rows[i].src, rows[i].dst);
		np_preface_write(&w, &p);
		KUNIT_EXPECT_EQ(test, np_preface_read(&q, &w, sizeof(w)),
				rows[i].ok ? 0 : -EPROTO);
		w.dport = 0;
		KUNIT_EXPECT_EQ(test, np_preface_read(&q, &w, sizeof(w)), -EPROTO);
	}
	p = np_tpreface(NP_FORM_V6_A, NP_FORM_V6_A);
	p.dst.ip.s6_addr[0] = 0xff;
	np_preface_write(&w, &p);
	KUNIT_EXPECT_EQ(test, np_preface_read(&q, &w, sizeof(w)), -EPROTO);
}

/* Any bytes at all: they are understood, or not, and nothing else happens. */
static void np_preface_noise(struct kunit *test)
{
	struct np_preface p = np_tpreface(NP_FORM_V4_A, NP_FORM_V4_B), q;
	struct np_preface_wire w;
	struct rnd_state rnd;
	int i, err;

	prandom_seed_state(&rnd, 7);
	for (i = 0; i < 20000; i++) {
		np_preface_write(&w, &p);
		((u8 *)&w)[np_test_random(&rnd, 4, sizeof(w) - 1)] = np_test_random(&rnd, 0, 255);
		((u8 *)&w)[np_test_random(&rnd, 4, sizeof(w) - 1)] = np_test_random(&rnd, 0, 255);
		err = np_preface_read(&q, &w, sizeof(w));
		if (err)
			continue;
		KUNIT_EXPECT_TRUE(test, q.type >= NP_PREFACE_CONNECT && q.type <= NP_PREFACE_BYE);
		KUNIT_EXPECT_EQ(test, q.offers & ~NP_OFFER_DIRECT, 0U);
	}
}

static struct kunit_case np_preface_cases[] = {
	KUNIT_CASE(np_preface_round_trip),
	KUNIT_CASE(np_preface_lengths),
	KUNIT_CASE(np_preface_bits),
	KUNIT_CASE(np_preface_types),
	KUNIT_CASE(np_preface_addresses),
	KUNIT_CASE(np_preface_noise),
	{ }
};

static struct kunit_suite np_preface_suite = {
	.name = "newproto_preface",
	.test_cases = np_preface_cases,
};

kunit_test_suite(np_preface_suite);
