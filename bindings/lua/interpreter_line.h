/* Reads lines for the interactive mode: with editing and history from a terminal, plainly from
 * anything else.
 */
#ifndef FERROC_LUA_INTERPRETER_LINE_H
#define FERROC_LUA_INTERPRETER_LINE_H

#include <stdbool.h>

/* Once, before the first line. */
void fe_interpreter_line_init(void);

/* Whether a person types at standard input. */
bool fe_interpreter_is_typed(void);

/* Shows the prompt and reads one line. Returns it without its newline, to be given back with free;
 * NULL at the end of the input. */
char *fe_interpreter_line_read(const char *prompt);

/* Puts an entry into the history that the arrow keys call up. */
void fe_interpreter_line_remember(const char *entry);

#endif /* FERROC_LUA_INTERPRETER_LINE_H */
