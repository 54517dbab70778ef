// SPDX-License-Identifier: GPL-2.0-only
/* A program for --check to look at. With GO_NOTE it carries the note that Go's linker writes. */
#ifdef GO_NOTE
__asm__(".pushsection .note.go.buildid, \"a\", @note\n"
	".balign 4\n"
	".long 4, 4, 4\n"
	".asciz \"Go\\0\"\n"
	".long 0\n"
	".popsection\n");
#endif

int main(void)
{
	return 0;
}
