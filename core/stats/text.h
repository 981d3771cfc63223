/* Text in pieces: collected in a small buffer on the stack, handed to the caller's function when
 * that is full. Nothing is allocated, so that figures can be written when there is no memory left.
 */
#ifndef FERROC_CORE_STATS_TEXT_H
#define FERROC_CORE_STATS_TEXT_H

#include "core/base/config.h"
#include "core/ferroc.h"

typedef struct fe_text {
  fe_write_t *write;
  void *user_data;
  size_t length;
  char buffer[1024];
} fe_text_t;

static inline fe_text_t fe_text_begin(fe_write_t *write, void *user_data) {
  return (fe_text_t){.write = write, .user_data = user_data};
}

/* Hands over what is left. */
void fe_text_end(fe_text_t *text);

void fe_text_put(fe_text_t *text, const char *string);
void fe_text_number(fe_text_t *text, size_t number);
void fe_text_address(fe_text_t *text, const void *address); /* 0x... */

/* A string of the program's in quotes. Whatever is no UTF-8 becomes U+FFFD. */
void fe_text_json_string(fe_text_t *text,
                         const char *string); /* may stand in an HTML script, too */
void fe_text_label_value(fe_text_t *text, const char *string); /* of Prometheus */

/* "key": with a comma before it unless it is the first of its object. */
void fe_text_json_key(fe_text_t *text, bool is_first, const char *key);

#endif /* FERROC_CORE_STATS_TEXT_H */
