/* What the files that set options share. */
#ifndef FERROC_CORE_GLOBAL_OPTIONS_H
#define FERROC_CORE_GLOBAL_OPTIONS_H

#include "core/base/base.h"

/* Sets an option from text; if that is not allowed, says so, and in which place (`where`) it was
 * read. */
bool fe_option_apply(const char *where, const char *name, const char *text);

/* Sets what variables of the environment say. */
void fe_environment_read(void);

/* At the end of the program: writes the figures of all heaps, if that is asked for. */
void fe_environment_at_exit(void);

/* The names, one after the other; NULL behind the last. */
const char *fe_option_name(unsigned index);

#endif /* FERROC_CORE_GLOBAL_OPTIONS_H */
