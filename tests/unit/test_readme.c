/* SPDX-License-Identifier: MIT
 *
 * README tells the truth: its diagrams are those of the tables, its programs and pieces of programs are those
 * that are built.
 */
#include <criterion/criterion.h>
#include <hawser/hawser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	cr_assert(file && text, "%s: run the tests in the root of the tree", path);
	cr_assert_gt(fread(text, 1, (1 << 20) - 1, file), 0);
	fclose(file);
	return text;
}

static void expect_block(const char *readme, const char *fence, const char *content)
{
	size_t size = strlen(fence) + strlen(content) + 8;
	char *block = calloc(1, size);

	snprintf(block, size, "```%s\n%s```\n", fence, content);
	cr_assert(strstr(readme, block), "README.md lacks this block, as it is now:\n%s", block);
	free(block);
}

static void expect_diagram(const char *table, const char *kind, const char *fence)
{
	char *readme = read_file("README.md");
	char *text = calloc(1, 65536);

	cr_assert_gt(hawser_diagram(table, kind, text, 65536), 0);
	expect_block(readme, fence, text);
	free(text);
	free(readme);
}

Test(readme, carries_the_diagrams_of_the_connection)
{
	expect_diagram("connection", "mermaid", "mermaid");
	expect_diagram("connection", "graphviz", "dot");
}

Test(readme, carries_the_diagrams_of_the_binding)
{
	expect_diagram("binding", "mermaid", "mermaid");
	expect_diagram("binding", "graphviz", "dot");
}

Test(readme, carries_the_program_that_is_built)
{
	char *readme = read_file("README.md");
	char *program = read_file("tests/examples/greet.c");

	expect_block(readme, "c", program);
	free(program);
	free(readme);
}

/* The text between two fences, or NULL when there is no further block. */
static char *next_c_block(const char **at)
{
	static const char fence[] = "\n```c\n";
	const char *begin = strstr(*at, fence);
	const char *end = begin ? strstr(begin + strlen(fence), "\n```\n") : NULL;

	if (!begin)
		return NULL;
	cr_assert(end, "a block without an end: %.80s", begin);
	*at = end;
	begin += strlen(fence) - 1; /* with the line feed before it: it begins a line of the program, too */
	return strndup(begin, (size_t)(end - begin) + 1);
}

Test(readme, carries_pieces_of_the_redis_client_as_it_is_built)
{
	static const char *const wanted[] = {"hawser_client_setup(", "on_data(", "hawser_client_sent("};
	char *readme = read_file("README.md");
	char *program = read_file("tests/examples/redis_client.c");
	const char *at = strstr(readme, "tests/examples/redis_client.c");
	unsigned found = 0;

	cr_assert_not_null(at);
	for (char *block; (block = next_c_block(&at)) != NULL; free(block)) {
		cr_assert(strstr(program, block), "this is not in tests/examples/redis_client.c:%s", block);
		cr_assert_lt(found, 3, "a piece that this test does not expect:%s", block);
		cr_assert(strstr(block, wanted[found]), "no %s in:%s", wanted[found], block);
		found++;
	}
	cr_assert_eq(found, 3);
	free(program);
	free(readme);
}

Test(readme, other_words_for_diagrams_are_einval)
{
	char text[8];

	cr_assert_eq(hawser_diagram("connection", "ascii", text, sizeof(text)), -22);
	cr_assert_eq(hawser_diagram("call", "mermaid", text, sizeof(text)), -22);
	cr_assert_gt(hawser_diagram("binding", "mermaid", text, sizeof(text)), (int)sizeof(text),
	    "the length it needs");
	cr_assert_eq(text[7], '\0');
}
