/* Numbers, keys and quoted strings; see text.h. */
#include "core/stats/text.h"

#include <string.h>

static void flush(fe_text_t *text) {
  if (text->length > 0) text->write(text->user_data, text->buffer, text->length);
  text->length = 0;
}

void fe_text_end(fe_text_t *text) { flush(text); }

static void put_bytes(fe_text_t *text, const char *bytes, size_t length) {
  if (length > sizeof text->buffer - text->length) flush(text);
  if (length > sizeof text->buffer) {
    text->write(text->user_data, bytes, length);
    return;
  }
  memcpy(text->buffer + text->length, bytes, length);
  text->length += length;
}

void fe_text_put(fe_text_t *text, const char *string) { put_bytes(text, string, strlen(string)); }

static void put_digits(fe_text_t *text, size_t number, unsigned base) {
  char digits[20];
  char *first = digits + sizeof digits;
  do {
    *--first = "0123456789abcdef"[number % base];
    number /= base;
  } while (number > 0);
  put_bytes(text, first, (size_t)(digits + sizeof digits - first));
}

void fe_text_number(fe_text_t *text, size_t number) { put_digits(text, number, 10); }

void fe_text_address(fe_text_t *text, const void *address) {
  fe_text_put(text, "0x");
  put_digits(text, (uintptr_t)address, 16);
}

/* How many bytes of the lead byte's kind follow it; -1: it leads nothing. */
static int trail_count(unsigned char lead) {
  if (lead < 0x80) return 0;
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  if (lead >= 0xf0 && lead <= 0xf4) return 3;
  return -1;
}

/* Whether the second byte makes an overlong form, a surrogate, or something above U+10FFFF. */
static bool is_second_wrong(unsigned char lead, unsigned char second) {
  return (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
         (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f);
}

/* The bytes of the character that a string begins with; 0: it begins with none. */
static size_t character_length(const char *string) {
  const unsigned char *bytes = (const unsigned char *)string;
  int trail = trail_count(bytes[0]);
  if (trail < 0) return 0;
  for (int i = 1; i <= trail; i++) {
    if ((bytes[i] & 0xc0) != 0x80) return 0;
  }
  return trail > 0 && is_second_wrong(bytes[0], bytes[1]) ? 0 : (size_t)trail + 1;
}

/* A quoted string; `escape` writes what one byte needs, or returns false if that is nothing. */
static void put_quoted(fe_text_t *text, const char *string, bool (*escape)(fe_text_t *, char)) {
  fe_text_put(text, "\"");
  while (*string != '\0') {
    size_t length = character_length(string);
    if (length == 0) {
      fe_text_put(text, "\xef\xbf\xbd");
      length = 1;
    } else if (!escape(text, *string)) {
      put_bytes(text, string, length);
    }
    string += length;
  }
  fe_text_put(text, "\"");
}

static bool escape_json(fe_text_t *text, char byte) {
  unsigned char code = (unsigned char)byte;
  if (code >= 0x20 && code != '"' && code != '\\' && code != '<' && code != 0x7f) return false;
  fe_text_put(text, code < 0x10 ? "\\u000" : "\\u00");
  put_digits(text, code, 16);
  return true;
}

static bool escape_label(fe_text_t *text, char byte) {
  if (byte == '\n') {
    fe_text_put(text, "\\n");
    return true;
  }
  if (byte == '"' || byte == '\\') fe_text_put(text, "\\");
  return false;
}

void fe_text_json_string(fe_text_t *text, const char *string) {
  put_quoted(text, string, escape_json);
}

void fe_text_label_value(fe_text_t *text, const char *string) {
  put_quoted(text, string, escape_label);
}

void fe_text_json_key(fe_text_t *text, bool is_first, const char *key) {
  fe_text_put(text, is_first ? "\"" : ",\"");
  fe_text_put(text, key);
  fe_text_put(text, "\":");
}
