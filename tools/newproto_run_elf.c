// SPDX-License-Identifier: GPL-2.0-only
/* newproto_run: what an ELF file says about itself. Nothing in the file is trusted. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/elf.h>

#include "newproto_run.h"

#ifdef __LP64__
#define OWN_CLASS	ELFCLASS64
#define own_hdr		elf64_hdr
#define own_phdr	elf64_phdr
#else
#define OWN_CLASS	ELFCLASS32
#define own_hdr		elf32_hdr
#define own_phdr	elf32_phdr
#endif

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define OWN_DATA	ELFDATA2LSB
#else
#define OWN_DATA	ELFDATA2MSB
#endif

/* A file in memory. */
struct image {
	const unsigned char *data;
	size_t size;
};

/* Copies @len bytes from @offset; false if the file ends before them. */
static bool image_read(const struct image *image, size_t offset, void *to, size_t len)
{
	if (offset > image->size || len > image->size - offset)
		return false;
	memcpy(to, image->data + offset, len);
	return true;
}

/* Go's linker writes a note named "Go" into every program, also into one that uses C libraries. */
static bool notes_name_go(const struct image *image, size_t offset, size_t len)
{
	size_t end = offset + len;
	struct elf32_note note;	/* the same in both classes */
	char name[3];

	while (offset < end && image_read(image, offset, &note, sizeof(note))) {
		offset += sizeof(note);
		if (note.n_namesz >= sizeof(name) &&
		    image_read(image, offset, name, sizeof(name)) && !memcmp(name, "Go", 3))
			return true;
		offset += ((size_t)note.n_namesz + 3) & ~(size_t)3;
		offset += ((size_t)note.n_descsz + 3) & ~(size_t)3;
	}
	return false;
}

static int read_segments(const struct image *image, const struct own_hdr *ehdr,
			 struct elf_facts *facts)
{
	for (unsigned int i = 0; i < ehdr->e_phnum; i++) {
		struct own_phdr phdr;

		if (!image_read(image, ehdr->e_phoff + i * sizeof(phdr), &phdr, sizeof(phdr)))
			return -1;
		if (phdr.p_type == PT_INTERP) {
			if (!phdr.p_filesz || phdr.p_filesz > sizeof(facts->loader) ||
			    !image_read(image, phdr.p_offset, facts->loader, phdr.p_filesz))
				return -1;
			facts->loader[phdr.p_filesz - 1] = '\0';
		} else if (phdr.p_type == PT_NOTE && phdr.p_filesz <= image->size) {
			facts->is_go |= notes_name_go(image, phdr.p_offset, phdr.p_filesz);
		}
	}
	return 0;
}

static int image_inspect(const struct image *image, struct elf_facts *facts)
{
	struct own_hdr ehdr;

	if (image->size < SELFMAG || memcmp(image->data, ELFMAG, SELFMAG))
		return 0;
	facts->is_elf = true;
	if (!image_read(image, 0, &ehdr, sizeof(ehdr)))
		return -1;
	facts->class = ehdr.e_ident[EI_CLASS];
	facts->data = ehdr.e_ident[EI_DATA];
	facts->machine = ehdr.e_machine;
	if (facts->class != OWN_CLASS || facts->data != OWN_DATA)
		return 0;
	if (ehdr.e_phentsize != sizeof(struct own_phdr))
		return -1;
	return read_segments(image, &ehdr, facts);
}

int elf_inspect(int fd, struct elf_facts *facts)
{
	struct image image;
	struct stat st;
	void *data;
	int ret;

	memset(facts, 0, sizeof(*facts));
	if (fstat(fd, &st))
		return -1;
	if (!st.st_size)
		return 0;
	data = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED)
		return -1;
	image.data = data;
	image.size = st.st_size;
	ret = image_inspect(&image, facts);
	munmap(data, st.st_size);
	if (ret)
		errno = EINVAL;
	return ret;
}
