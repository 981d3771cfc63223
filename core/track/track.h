/* What checking tools are told about memory. One set of functions, and one definition of them for
 * each kind of build:
 *
 *   ordinary              nothing is told, nothing is checked, nothing is paid
 *   -DFE_TRACK_VALGRIND   memcheck: runs as usual when the program is not run by it
 *   AddressSanitizer      (-fsanitize=address) its shadow memory
 *   -DFE_HARDENED         ferroc checks by itself, and ends the program
 *   -DFE_TRACK_NONE       ordinary, also under AddressSanitizer: what the fuzzer drives
 *
 * In all but the first a block ends with a trailer, which heap/checked.h writes and checks. */
#ifndef FERROC_CORE_TRACK_TRACK_H
#define FERROC_CORE_TRACK_TRACK_H

#include "core/base/base.h"

typedef struct fe_block fe_block_t;

/* A word of memory, whatever it is to others. */
typedef uintptr_t __attribute__((may_alias)) fe_word_t;

/* Whether the link at `link` can lead to `next`: a block of the same unit, or none. */
static inline bool fe_track_is_link(const void *link, uintptr_t next) {
  bool is_near = (next ^ (uintptr_t)link) < FE_UNIT_SIZE && (next & 7) == 0;
  return is_near || next == 0;
}

/* GCC says by a macro that it instruments, Clang by a feature. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FE_TRACK_ASAN
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define FE_TRACK_ASAN
#endif

#if defined(FE_TRACK_NONE)
#include "core/track/no_marks.h"
#elif defined(FE_TRACK_VALGRIND)
#include "core/track/valgrind_marks.h"
#elif defined(FE_TRACK_ASAN)
#include "core/track/asan_marks.h"
#elif defined(FE_HARDENED)
#include "core/track/hardened_marks.h"
#else
#include "core/track/no_marks.h"
#endif

#endif /* FERROC_CORE_TRACK_TRACK_H */
