/* What operator new does when there is no memory, as far as only the C++ library can do it: calls
 * the program's new-handler, and throws std::bad_alloc. */
#ifndef FERROC_CORE_CXX_NEW_FAILED_H
#define FERROC_CORE_CXX_NEW_FAILED_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Calls the new-handler, if there is one and the caller may try again: true. Else throws
 * std::bad_alloc, as a handler may do too. False: there is no C++ library in the program. */
bool fe_new_failed(bool may_try_again);

/* Calls the new-handler, if there is one: true. False: there is none, or it threw something. */
bool fe_new_failed_nothrow(void);

#ifdef __cplusplus
}
#endif

#endif /* FERROC_CORE_CXX_NEW_FAILED_H */
