/* The words of the core, its fixed sizes, and the few helpers that every floor uses.
 *
 *   base      where memory comes from (base.h)
 *   chunk     one contiguous piece from a base, aligned to the slab size
 *   arena     a chunk cut into slabs, and for each slab one atomic word: a bit for each free unit
 *   slab      4 MiB: 64 units, whose free ones are the bits of one word
 *   unit      64 KiB, aligned to its size: the piece that arenas hand out
 *   shard     a run of units with a header in its first bytes: blocks of one size class (one unit),
 *             one large or huge block (many units), or the nursery of a heap (one unit)
 *   block     one allocation; while it is free, it holds the link to the next
 *   nursery   the first unit of a heap: holds the heap itself, and its blocks of all small classes
 *             while these are few
 *   heap      what a caller allocates from; used by one thread at a time
 *   context   what heaps take units from: the arenas, and a hint where to look first
 *   budget    what a heap may take, and what it and those under it have taken
 *   gate      lets one thread at a time inside of a heap, its holder or somebody else
 *   account   what a heap has charged its budget for
 *   roll      the list of all heaps
 *   registry  gives each thread its heap, takes it back at the thread's end
 *   granule   the smallest step between sizes: 8 or 16 bytes, a property of the heap
 */
#ifndef FERROC_CORE_BASE_CONFIG_H
#define FERROC_CORE_BASE_CONFIG_H

#include <assert.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The shape of memory can be set when the library is built, by -DFE_SLAB_SHIFT=16 and so on. */
#ifndef FE_SLAB_SHIFT
#define FE_SLAB_SHIFT 22
#endif
#ifndef FE_SHARD_SHIFT
#define FE_SHARD_SHIFT 16
#endif
#ifndef FE_GRANULE_SHIFT
#define FE_GRANULE_SHIFT 4
#endif

#if FE_SHARD_SHIFT < 12 || FE_SHARD_SHIFT > 18
#error "FE_SHARD_SHIFT must be 12 (4 KiB) to 18 (256 KiB)"
#endif
#if FE_SLAB_SHIFT < FE_SHARD_SHIFT + 3 || FE_SLAB_SHIFT > FE_SHARD_SHIFT + 6
#error "FE_SLAB_SHIFT must be 3 to 6 above FE_SHARD_SHIFT: a slab has 8, 16, 32 or 64 shards"
#endif
#if FE_GRANULE_SHIFT != 3 && FE_GRANULE_SHIFT != 4
#error "FE_GRANULE_SHIFT must be 3 (8 bytes) or 4 (16 bytes)"
#endif

#define FE_SLAB_SIZE ((size_t)1 << FE_SLAB_SHIFT)       /* 4 MiB */
#define FE_UNIT_SIZE ((size_t)1 << FE_SHARD_SHIFT)      /* 64 KiB */
#define FE_GRANULE_SIZE ((size_t)1 << FE_GRANULE_SHIFT) /* 16 */
#define FE_UNITS_PER_SLAB (1u << (FE_SLAB_SHIFT - FE_SHARD_SHIFT))

/* A bit for each unit of a slab, in a word that is lock-free on 32-bit machines if it can be. */
#if FE_SLAB_SHIFT - FE_SHARD_SHIFT > 5
typedef uint64_t fe_units_t;
#else
typedef uint32_t fe_units_t;
#endif

/* Size types: small blocks have a table of their own, medium ones share a shard, large ones have a
 * run of units, huge ones whole slabs, unless addresses are limited. */
#define FE_MEDIUM_MAX (FE_UNIT_SIZE * 15 / 32)           /* 30 KiB: two of them fit into a shard */
#define FE_LARGE_UNITS_MAX (15 * FE_UNITS_PER_SLAB / 32) /* 30 units: 15/32 of a slab */

/* The bits of the addresses that a kernel gives to whoever asks for none in particular: up to 48 on
 * AArch64 Linux, up to 47 on x86-64, RISC-V, POWER and s390x. Where there are more, one gets them
 * by asking for such an address; they are ferroc's as well, at the price of a look into a second
 * place (arena/window.h). */
#if UINTPTR_MAX <= UINT32_MAX
#undef FE_ADDRESS_BITS
#define FE_ADDRESS_BITS 32
#elif defined(FE_ADDRESS_BITS)
#if FE_ADDRESS_BITS < FE_SLAB_SHIFT + 3 || FE_ADDRESS_BITS > 48
#error "FE_ADDRESS_BITS must be FE_SLAB_SHIFT + 3 to 48"
#endif
#elif defined(__aarch64__)
#define FE_ADDRESS_BITS 48
#else
#define FE_ADDRESS_BITS 47
#endif

#define FE_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define FE_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define FE_COLD __attribute__((noinline, cold))
#define FE_INLINE __attribute__((always_inline))
#define FE_CACHE_LINE 64

/* Rounds up to a power of two `alignment`; the caller sees to it that it does not overflow. */
static inline uintptr_t fe_align_up(uintptr_t value, size_t alignment) {
  return (value + alignment - 1) & ~(uintptr_t)(alignment - 1);
}

/* Whether a program can have memory there. Kernels keep the upper half for themselves, and no
 * program has more than 56 bits; s390x and SPARC give all that there is. */
#if UINTPTR_MAX > UINT32_MAX && !defined(__s390x__) && !defined(__sparc__)
static inline bool fe_is_address(uintptr_t address) { return address >> 56 == 0; }
#else
static inline bool fe_is_address(uintptr_t address) {
  (void)address;
  return true;
}
#endif

/* The place of the lowest bit that is set; there is one. In a 64-bit word a 32-bit processor's
 * compiler has it looked up by a function of its library, which is not there everywhere. */
#if UINTPTR_MAX > UINT32_MAX
static inline unsigned fe_lowest_bit(uint64_t word) { return (unsigned)__builtin_ctzll(word); }
#else
static inline unsigned fe_lowest_bit(uint64_t word) {
  uint32_t low = (uint32_t)word;
  uint32_t high = (uint32_t)(word >> 32);
  return (unsigned)(low != 0 ? __builtin_ctz(low) : 32 + __builtin_ctz(high));
}
#endif

static inline bool fe_is_power_of_two(size_t value) {
  return value != 0 && (value & (value - 1)) == 0;
}

#endif /* FERROC_CORE_BASE_CONFIG_H */
