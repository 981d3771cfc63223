/* support.h for tests in C++: cmocka and the support are C, and so are their headers. */
#ifndef FERROC_TESTS_SUPPORT_HPP
#define FERROC_TESTS_SUPPORT_HPP

#include <cerrno>
#include <csetjmp>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define _Noreturn [[noreturn]]
extern "C" {
#include "tests/core/support.h"
}
#undef _Noreturn

#endif  // FERROC_TESTS_SUPPORT_HPP
