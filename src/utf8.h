/* SPDX-License-Identifier: MIT
 *
 * Which bytes of a text are characters of UTF-8, for texts that anybody may have written.
 */
#ifndef HAWSER_UTF8_H
#define HAWSER_UTF8_H

#include <stdint.h>

/* The bytes of the character that begins here, which is not ASCII; 0 when none does. Table 3-7 of the Unicode
 * Standard: beside the continuation bytes themselves, only the second byte has limits of its own. */
static inline int utf8_size(const char *text)
{
	const unsigned char *bytes = (const unsigned char *)text;
	unsigned char first = bytes[0];
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	int size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;

	if (first < 0xc2 || first > 0xf4 || bytes[1] < low || bytes[1] > high)
		return 0;
	for (int i = 2; i < size; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	return size;
}

/* The character that utf8_size found, or the ASCII one, of size 1. */
static inline uint32_t utf8_code_point(const char *text, int size)
{
	uint32_t code_point = (unsigned char)text[0] & (size == 1 ? 0x7fU : 0x7fU >> size);

	for (int i = 1; i < size; i++)
		code_point = code_point << 6 | ((unsigned char)text[i] & 0x3f);
	return code_point;
}

/* Whether a terminal would do something else than show it: controls, ends of lines and paragraphs, and what
 * turns the direction of writing. */
static inline int utf8_is_control(uint32_t code_point)
{
	return code_point < 0x20 || (code_point >= 0x7f && code_point < 0xa0) || code_point == 0x061c ||
	       code_point == 0x200e || code_point == 0x200f ||
	       (code_point >= 0x2028 && code_point <= 0x202e) ||
	       (code_point >= 0x2066 && code_point <= 0x2069);
}

#endif
