// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much memory the kernel uses, from /proc.
 *
 * What is in slab caches counts by object: the number of objects in use times
 * the size of one with its padding. Free objects in half-used slabs are left
 * out, so the figure does not depend on how full the slabs were before.
 *
 * Everything else counts by page: all pages that are not free, less those of
 * the slab caches, of the page cache and of user space. Pages on the per-CPU free
 * lists are not in MemFree though they are free, so they are added to it.
 * Pages of large kmalloc()s are in no slab cache and so count here, as do vmalloc()
 * and per-CPU memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define MAX_CACHES 512

struct cache {
	char name[64];
	long long objects;	/* in use */
	long long size;		/* of one, with padding */
	long long pages;	/* of all slabs */
};

struct memory {
	struct cache caches[MAX_CACHES];
	int ncaches;
	long long other_pages;
};

static FILE *open_proc(const char *path)
{
	FILE *f = fopen(path, "r");

	if (!f)
		die("open %s", path);
	return f;
}

static void read_slabs(struct memory *m)
{
	static const char format[] =
		"%63s %lld %lld %lld %lld %lld : tunables %*d %*d %*d : slabdata %lld %lld";
	FILE *f = open_proc("/proc/slabinfo");
	long long total, per_slab, slab_pages, active_slabs, slabs;
	char line[512];

	m->ncaches = 0;
	while (fgets(line, sizeof(line), f)) {
		struct cache *c = &m->caches[m->ncaches];

		if (sscanf(line, format, c->name, &c->objects, &total, &c->size, &per_slab,
			   &slab_pages, &active_slabs, &slabs) != 8)
			continue;
		c->pages = slabs * slab_pages;
		if (++m->ncaches == MAX_CACHES)
			die("more than %d slab caches", MAX_CACHES);
	}
	fclose(f);
	if (!m->ncaches)
		die("/proc/slabinfo is not understood");
}

/* Free pages on the per-CPU lists. */
static long long per_cpu_free(void)
{
	FILE *f = open_proc("/proc/zoneinfo");
	long long sum = 0, n;
	char line[256];

	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " count: %lld", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

/* Pages in use that are neither page cache nor user space's. */
static long long kernel_pages(void)
{
	static const struct {
		const char *name;
		int sign;
	} fields[] = {
		{ "MemTotal:", 1 }, { "MemFree:", -1 }, { "Buffers:", -1 },
		{ "Cached:", -1 }, { "AnonPages:", -1 },
	};
	FILE *f = open_proc("/proc/meminfo");
	size_t found = 0;
	long long sum = 0, kib;
	char line[256], name[64];

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %lld", name, &kib) != 2)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			if (strcmp(name, fields[i].name))
				continue;
			sum += fields[i].sign * kib;
			found++;
		}
	}
	fclose(f);
	if (found != ARRAY_SIZE(fields))
		die("/proc/meminfo is not understood");
	return sum * 1024 / sysconf(_SC_PAGESIZE) - per_cpu_free();
}

struct memory *memory_read(void)
{
	struct memory *m = malloc(sizeof(*m));

	if (!m)
		die("no memory");
	read_slabs(m);
	m->other_pages = kernel_pages() - memory_slab_pages(m);
	return m;
}

void memory_free(struct memory *m)
{
	free(m);
}

long long memory_slab_bytes(const struct memory *m)
{
	long long sum = 0;

	for (int i = 0; i < m->ncaches; i++)
		sum += m->caches[i].objects * m->caches[i].size;
	return sum;
}

long long memory_slab_pages(const struct memory *m)
{
	long long sum = 0;

	for (int i = 0; i < m->ncaches; i++)
		sum += m->caches[i].pages;
	return sum;
}

long long memory_other_pages(const struct memory *m)
{
	return m->other_pages;
}

static const struct cache *cache_find(const struct memory *m, const char *name)
{
	for (int i = 0; i < m->ncaches; i++)
		if (!strcmp(m->caches[i].name, name))
			return &m->caches[i];
	return NULL;
}

/* Which caches the bytes of a connection are in, leaving out small change. */
void memory_print_slabs(const struct memory *from, const struct memory *to,
			const char *kind, unsigned int connections)
{
	for (int i = 0; i < to->ncaches; i++) {
		const struct cache *c = &to->caches[i];
		const struct cache *old = cache_find(from, c->name);
		double objects = (double)(c->objects - (old ? old->objects : 0)) / connections;

		if (objects * c->size >= 4 || objects * c->size <= -4)
			printf("BENCH\tslab\t%s\t%s\t%.2f\t%lld\t%.1f\n", c->name, kind,
			       objects, c->size, objects * c->size);
	}
}
