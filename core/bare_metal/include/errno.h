/* Where there is no C library: fe_errno of ferroc.h plays errno's part. The numbers are Linux's. */
#ifndef FERROC_CORE_BARE_METAL_ERRNO_H
#define FERROC_CORE_BARE_METAL_ERRNO_H

extern int fe_errno;

#define errno fe_errno

#define ENOMEM 12
#define EBUSY 16
#define EINVAL 22
#define ERANGE 34

#endif /* FERROC_CORE_BARE_METAL_ERRNO_H */
