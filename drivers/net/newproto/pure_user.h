/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the leaves need of the kernel, for programs: as much as they use, by compiler
 * built-ins. Included by pure.h alone.
 */
#ifndef _NPNIC_PURE_USER_H
#define _NPNIC_PURE_USER_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <linux/types.h>

typedef __u8  u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

/* The C library's has no default for its message. */
#undef static_assert
#define static_assert(expr, ...)	_Static_assert(expr, #expr)

#ifndef __force
#define __force
#endif

#define cpu_to_le32(x)	((__le32)htole32(x))
#define le32_to_cpu(x)	le32toh((u32)(x))
#define cpu_to_le64(x)	((__le64)htole64(x))
#define le64_to_cpu(x)	le64toh((u64)(x))

#define READ_ONCE(x)	__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, val)	__atomic_store_n(&(x), val, __ATOMIC_RELAXED)

/* The other side may be any kernel or program: nothing is left out as on one processor. */
#define virt_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define virt_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)	/* and more */
#define virt_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)	/* and more */
/* Of one word. */
#define virt_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
/* The same. */
#define virt_store_release(p, val)	__atomic_store_n(p, val, __ATOMIC_RELEASE)
#define smp_load_acquire(p)	virt_load_acquire(p) /* the same */
#define smp_store_release(p, val)	virt_store_release(p, val)

#define cmpxchg64(p, old, new) __extension__ ({				\
	__typeof__(*(p)) __was = (old);					\
									\
	__atomic_compare_exchange_n(p, &__was, new, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);	\
	__was;								\
})

#define min(a, b) __extension__ ({					\
	__typeof__(a) __a = (a);					\
	__typeof__(b) __b = (b);					\
	__a < __b ? __a : __b;						\
})
#define max(a, b) __extension__ ({					\
	__typeof__(a) __a = (a);					\
	__typeof__(b) __b = (b);					\
	__a > __b ? __a : __b;						\
})
#define clamp(val, lo, hi) __extension__ ({				\
	__typeof__(val) __raised = max(val, lo);			\
	min(__raised, hi);						\
})

#define ALIGN(x, a)		(((x) + (a) - 1) & ~((__typeof__(x))(a) - 1))
#define ALIGN_DOWN(x, a)	((x) & ~((__typeof__(x))(a) - 1))
#define IS_ALIGNED(x, a)	(!((x) & ((__typeof__(x))(a) - 1)))
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

static inline bool is_power_of_2(unsigned long n)
{
	return n && !(n & (n - 1));
}

static inline unsigned long rounddown_pow_of_two(unsigned long n)
{
	return 1UL << (8 * sizeof(n) - 1 - (unsigned int)__builtin_clzl(n));
}

static inline u64 div_u64(u64 n, u32 by)
{
	return n / by;
}

/* CRC-32 of IEEE 802.3, bit by bit: it is for one short head. */
static inline u32 npnic_crc32(const void *data, size_t len)
{
	const u8 *p = (const u8 *)data;
	u32 crc = ~0U;
	int bit;

	while (len--) {
		crc ^= *p++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320U : 0);
	}
	return ~crc;
}

#endif /* _NPNIC_PURE_USER_H */
