/* Virtual environments for a program that is not the interpreter they were made with.
 *
 * A link to ferroc-python inside an environment's bin folder needs nothing of this: Python finds
 * the environment from the link's place.
 */
#ifndef FERROC_PYTHON_ENVIRONMENT_H
#define FERROC_PYTHON_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>

/* Writes the path that sys.executable should have to executable, and returns true, when an
 * environment is active (VIRTUAL_ENV) that was made with the interpreter FE_PYTHON_PROGRAM and
 * `program` (argv[0]) is not in an environment itself. The path is the environment's program of the
 * same name if there is one, else its python3. */
bool fe_python_active_environment(const char *program, char *executable, size_t size);

#endif /* FERROC_PYTHON_ENVIRONMENT_H */
