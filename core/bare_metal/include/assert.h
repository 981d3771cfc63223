/* Where there is no C library: what the core takes from <assert.h>. */
#ifndef FERROC_CORE_BARE_METAL_ASSERT_H
#define FERROC_CORE_BARE_METAL_ASSERT_H

#define static_assert _Static_assert

#endif /* FERROC_CORE_BARE_METAL_ASSERT_H */
