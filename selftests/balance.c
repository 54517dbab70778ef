// SPDX-License-Identifier: GPL-2.0-only
/*
 * See balance.h.
 */
#include <kselftest.h>

#include <glob.h>

#include "balance.h"
#include "common.h"

static long module_refs(void)
{
	char text[32];

	return file_read("/sys/module/newproto/refcnt", text, sizeof(text)) > 0 ? atol(text) : -1;
}

static long count_lines(const char *path)
{
	char line[512];
	FILE *f = fopen(path, "r");
	long n = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		n++;
	fclose(f);
	return n;
}

/* The first number behind the names that begin like this; the sum of them. */
static long value_of(const char *path, const char *name)
{
	char line[512];
	FILE *f = fopen(path, "r");
	long sum = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			sum += atol(line + strcspn(line, " \t"));
	fclose(f);
	return sum;
}

/* /proc/net/protocols: the third field of lines whose module is ours. */
static long protocol_users(void)
{
	char line[512], module[64];
	FILE *f = fopen("/proc/net/protocols", "r");
	long sockets, sum = 0;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%*s %*s %ld %*s %*s %*s %*s %63s", &sockets, module) == 2 &&
		    !strcmp(module, "newproto"))
			sum += sockets;
	fclose(f);
	return sum;
}

/* What the kernel has for itself, and cannot do without. */
static long used_kb(void)
{
	static const char path[] = "/proc/meminfo";

	file_write("/proc/sys/vm/drop_caches", "3");
	return value_of(path, "SUnreclaim:") + value_of(path, "SReclaimable:") +
	       value_of(path, "Percpu:") + value_of(path, "VmallocUsed:");
}

/*
 * A cache counts what lies in its processors' slabs as used, free or not, and KASAN
 * keeps for a while what was freed. Both give it back when the cache is shrunk: all
 * caches, as ours are not the only ones that sockets and namespaces have objects of.
 */
static size_t shrink_caches(void)
{
	glob_t g = { };
	size_t i, n = 0;

	if (!glob("/sys/kernel/slab/*/shrink", 0, NULL, &g))
		for (i = 0; i < g.gl_pathc; i++)
			n += !file_write(g.gl_pathv[i], "1");
	globfree(&g);
	return n;
}

void balance_look(struct balance *b)
{
	b->shrunk = shrink_caches();
	b->module_refs = module_refs();
	b->users = protocol_users();
	b->lines = count_lines("/proc/net/newproto/sockets") +
		   count_lines("/proc/net/newproto/groups");
	b->buffers = value_of("/proc/net/newproto/counters", "buffer_bytes");
	b->objects = value_of("/proc/slabinfo", "newproto_") +
		     value_of("/proc/slabinfo", "NEWPROTO");
	b->used_kb = used_kb();
}

/* Waits until all is back, and no more than @leak_kb of memory is gone. */
bool balance_same(const struct balance *was, struct balance *is, long leak_kb)
{
	int64_t end = now_ms() + WAIT_MS;

	do {
		balance_look(is);
		if (is->shrunk && is->module_refs == was->module_refs && is->users == was->users &&
		    is->lines == was->lines && is->buffers == was->buffers &&
		    is->objects <= was->objects && is->used_kb <= was->used_kb + leak_kb)
			return true;
		usleep(50000);
	} while (now_ms() < end);
	return false;
}

void balance_show(const char *when, const struct balance *b)
{
	printf("# %s: references %ld, users %ld, lines %ld, buffers %ld, objects %ld, %ld KiB\n",
	       when, b->module_refs, b->users, b->lines, b->buffers, b->objects, b->used_kb);
}
