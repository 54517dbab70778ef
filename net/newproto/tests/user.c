// SPDX-License-Identifier: GPL-2.0-only
/*
 * User memory that ends in a hole, for tests of copies that fail half-way.
 */
#include <linux/mman.h>
#include <linux/sched/mm.h>

#include "lib.h"

/* Tests run in kernel threads, which have no user memory: the program that
 * loads the module lends them its own.
 */
struct mm_struct *np_tuser_mm;
static unsigned long np_tuser_hole;

/**
 * np_tuser_init - the suite_init callback of suites with user memory
 * @suite: the suite
 */
int np_tuser_init(struct kunit_suite *suite)
{
	unsigned long addr;

	np_tuser_mm = get_task_mm(current);
	if (!np_tuser_mm)
		return -EINVAL;
	addr = vm_mmap(NULL, 0, NP_TUSER_ROOM + PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, 0);
	if (IS_ERR_VALUE(addr)) {
		mmput(np_tuser_mm);
		np_tuser_mm = NULL;
		return (int)addr;
	}
	np_tuser_hole = addr + NP_TUSER_ROOM;
	return vm_munmap(np_tuser_hole, PAGE_SIZE);
}

/**
 * np_tuser_exit - the suite_exit callback of suites with user memory
 * @suite: the suite
 */
void np_tuser_exit(struct kunit_suite *suite)
{
	if (!np_tuser_mm)
		return;
	vm_munmap(np_tuser_hole - NP_TUSER_ROOM, NP_TUSER_ROOM);
	mmput(np_tuser_mm);
}

/**
 * np_tuser - user memory of which only the first bytes are there
 * @good: how many, up to NP_TUSER_ROOM
 */
void __user *np_tuser(size_t good)
{
	return (void __user *)(np_tuser_hole - good);
}
