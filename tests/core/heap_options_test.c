/* fe_heap_create: what its options mean, and what it says to wrong ones. */
#include "tests/core/support.h"

static void the_default_is_the_builds_granule_and_no_limit(void **state) {
  (void)state;
  const fe_heap_options_t zero = {0};
  const fe_heap_options_t *const defaults[] = {NULL, &zero};
  for (size_t i = 0; i < 2; i++) {
    fe_heap_t *heap = fe_heap_create(defaults[i]);
    assert_non_null(heap);
    assert_int_equal(fe_heap_used_bytes(heap), 0);
    assert_int_equal(fe_heap_limit(heap), 0);
    for (size_t size = 0; size < 1000; size++) {
      void *block = fe_heap_alloc(heap, size);
      assert_non_null(block);
      assert_true(aligned_to(block, GRANULE));
    }
    fe_heap_destroy(heap);
  }
}

/* 1,000 blocks of 24 bytes: 24 each at granule 8, 32 at granule 16, with their trailers. */
static void granule_8_wastes_less(void **state) {
  (void)state;
  size_t used[2];
  for (size_t i = 0; i < 2; i++) {
    fe_heap_options_t options = {.granule = 8 + 8 * i};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    for (int j = 0; j < 1000; j++) {
      void *block = fe_heap_alloc(heap, 24);
      assert_non_null(block);
      assert_true(aligned_to(block, options.granule));
    }
    used[i] = fe_heap_used_bytes(heap);
    fe_heap_destroy(heap);
  }
  assert_int_equal(used[0], 1000 * (24 + TRAILER));
  assert_int_equal(used[1], 1000 * (32 + TRAILER));
}

static void the_memory_limit_option_is_the_limit(void **state) {
  (void)state;
  fe_heap_options_t options = {.memory_limit = 100000};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  assert_int_equal(fe_heap_limit(heap), 100000);
  assert_null(fe_heap_alloc(heap, 100001));
  void *block = fe_heap_alloc(heap, 50000);
  assert_non_null(block);
  assert_null(fe_heap_alloc(heap, 60000));
  fe_heap_destroy(heap);
}

static void create_with(void *options) {
  errno = 0;
  require(fe_heap_create(options) == NULL);
  require(errno == EINVAL);
}

static void a_wrong_granule_is_refused_with_a_message(void **state) {
  (void)state;
  static const size_t wrong[] = {1,  2,  4,  7,  9,    12,       15,
                                 17, 24, 32, 64, 4096, SIZE_MAX, SIZE_MAX / 2 + 1};
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    fe_heap_options_t options = {.granule = wrong[i]};
    child_result_t result;
    run_in_child(&result, create_with, &options);
    if (result.status != 0) {
      fail_msg("granule %zu: %s", wrong[i], result.errors);
    }
    bool says_what_is_allowed = strstr(result.errors, "granule") != NULL &&
                                strstr(result.errors, "8") != NULL &&
                                strstr(result.errors, "16") != NULL;
    bool is_one_line = strchr(result.errors, '\n') == result.errors + strlen(result.errors) - 1;
    if (!says_what_is_allowed || !is_one_line) {
      fail_msg("granule %zu: the message is \"%s\"", wrong[i], result.errors);
    }
  }
}

static void a_heap_has_the_name_that_it_was_given(void **state) {
  (void)state;
  char given[100] = "cache of thumbnails";
  fe_heap_options_t options = {.name = given};
  fe_heap_t *heap = fe_heap_create(&options);
  assert_non_null(heap);
  strcpy(given, "something else"); /* it was copied */
  assert_string_equal(fe_heap_name(heap), "cache of thumbnails");
  fe_heap_destroy(heap);
}

static void names_are_cut_off_at_their_greatest_length(void **state) {
  (void)state;
  for (size_t length = 0; length < 2 * FE_NAME_MAX; length++) {
    char given[2 * FE_NAME_MAX + 1] = "";
    memset(given, 'n', length);
    fe_heap_options_t options = {.name = given};
    fe_heap_t *heap = fe_heap_create(&options);
    assert_non_null(heap);
    assert_int_equal(strlen(fe_heap_name(heap)), length < FE_NAME_MAX ? length : FE_NAME_MAX);
    assert_memory_equal(fe_heap_name(heap), given, strlen(fe_heap_name(heap)));
    fe_heap_destroy(heap);
  }
}

static void heaps_without_a_name_have_an_empty_one(void **state) {
  (void)state;
  fe_heap_t *heap = fe_heap_create(NULL);
  assert_non_null(heap);
  assert_string_equal(fe_heap_name(heap), "");
  fe_heap_destroy(heap);
  assert_string_equal(fe_heap_name(fe_thread_heap()), "");
}

static void create_in_silence(void *options) { require(fe_heap_create(options) != NULL); }

static void good_options_say_nothing(void **state) {
  (void)state;
  static const fe_heap_options_t good[] = {
      {0}, {.granule = 8}, {.granule = 16}, {.memory_limit = 1}};
  for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
    child_result_t result;
    fe_heap_options_t options = good[i];
    run_in_child(&result, create_in_silence, &options);
    assert_int_equal(result.status, 0);
    assert_string_equal(result.errors, "");
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      test_that(the_default_is_the_builds_granule_and_no_limit),
      test_that(granule_8_wastes_less),
      test_that(the_memory_limit_option_is_the_limit),
      test_that(a_wrong_granule_is_refused_with_a_message),
      test_that(a_heap_has_the_name_that_it_was_given),
      test_that(names_are_cut_off_at_their_greatest_length),
      test_that(heaps_without_a_name_have_an_empty_one),
      test_that(good_options_say_nothing),
  };
  return cmocka_run_group_tests_name("heap_options", tests, NULL, NULL);
}
