/* The index and the footer as bytes: what is encoded is decoded; a hostile index is refused, and nothing is read beyond
** it.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "archive/index.h"

#define MANIFEST "{\"format\":1}"

#define BLOCK_AT(i, field) (40 + 16 + 20 * (i) + (field))

/* A good stream of three blocks, 1000 + 1000 + 500 bytes behind a head of 512, which the cases below spoil. */
static void good_index(lb_buf *payload)
{
  lb_error err = LB_ERROR_INIT;
  lb_index index = { .block_bytes = 1000, .head_bytes = 512 };
  static const lb_block blocks[] = { { 0, 560, 512, 1, 0 }, { 560, 300, 1000, 2, 0 }, { 860, 300, 1000, 3, 0 },
                                     { 1160, 40, 500, 4, 0 } };
  for (int i = 0; i < 4; i++) assert_int_equal(lb_index_add(&index, &blocks[i], 9, &err), LB_OK);
  index.manifest = strdup(MANIFEST);
  assert_int_equal(lb_index_encode(&index, payload, &err), LB_OK);
  lb_index_free(&index);
}

static void check_index(const lb_buf *payload, int want)
{
  lb_error err = LB_ERROR_INIT;
  lb_index index;
  /* an exact copy, so that reading beyond it is seen by the sanitizer */
  unsigned char *copy = malloc(payload->len);
  memcpy(copy, payload->data, payload->len);
  assert_int_equal(lb_index_decode(copy, payload->len, 1200, &index, &err), want);
  if (want == LB_OK) {
    assert_int_equal(index.count, 4);
    assert_int_equal(index.raw_total, 3012);
    assert_int_equal(lb_index_raw_offset(&index, 3), 2512);
    assert_string_equal(index.manifest, MANIFEST);
  } else {
    assert_null(index.blocks);
  }
  lb_index_free(&index);
  free(copy);
}

static void test_hostile_index(void **state)
{
  (void)state;
  static const struct { size_t at; int bytes; uint64_t value; } cases[] = {
    { 0, 1, 'X' }, { 8, 4, 2 },                                        /* magic, version */
    { 12, 4, 0 }, { 12, 4, 999 }, { 12, 4, 4u << 20 }, { 12, 4, UINT32_MAX },   /* block size */
    { 16, 4, 0 }, { 16, 4, 511 }, { 16, 4, 65537 },                    /* head */
    { 20, 4, 0 }, { 20, 4, 99 }, { 20, 4, UINT32_MAX },                /* sections */
    { 24, 8, 0 }, { 24, 8, 3 }, { 24, 8, UINT64_MAX }, { 24, 8, UINT64_MAX / 20 + 5 },  /* blocks */
    { 32, 8, 0 }, { 32, 8, 3011 }, { 32, 8, UINT64_MAX },              /* raw total */
    { 40, 4, 2 }, { 40, 4, 77 }, { 44, 4, 1 }, { 48, 8, 79 }, { 48, 8, UINT64_MAX }, { 48, 8, UINT64_MAX - 60 },
    { BLOCK_AT(0, 0), 8, 1 }, { BLOCK_AT(2, 0), 8, 560 }, { BLOCK_AT(3, 0), 8, UINT64_MAX },
    { BLOCK_AT(1, 8), 4, 0 }, { BLOCK_AT(1, 8), 4, 301 }, { BLOCK_AT(3, 8), 4, 41 }, { BLOCK_AT(3, 8), 4, UINT32_MAX },
    { BLOCK_AT(1, 12), 4, 999 }, { BLOCK_AT(3, 12), 4, 0 }, { BLOCK_AT(3, 12), 4, 1001 },
    { BLOCK_AT(2, 12), 4, UINT32_MAX }, { BLOCK_AT(4, 0), 4, 1 }, { BLOCK_AT(4, 16), 1, 0 },
  };
  lb_buf payload = { 0 };
  good_index(&payload);
  check_index(&payload, LB_OK);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    unsigned char value[8];
    lb_buf bad = { 0 };
    lb_put_u64(value, cases[i].value);
    lb_buf_append(&bad, payload.data, payload.len);
    memcpy(bad.data + cases[i].at, value, (size_t)cases[i].bytes);
    check_index(&bad, cases[i].at == 8 ? LB_UNSUPPORTED : LB_CORRUPT);
    lb_buf_free(&bad);
  }
  for (size_t n = 1; n < payload.len; n++) {
    lb_buf cut = { 0 };
    lb_buf_append(&cut, payload.data, n);
    check_index(&cut, LB_CORRUPT);
    lb_buf_free(&cut);
  }
  /* A section that this version does not know is skipped. */
  lb_put_u32(payload.data + 20, lb_get_u32(payload.data + 20) + 1);
  lb_buf_u32(&payload, 5);
  lb_buf_u32(&payload, 0);
  lb_buf_u64(&payload, 3);
  lb_buf_text(&payload, "new");
  check_index(&payload, LB_OK);
  lb_buf_text(&payload, "!");
  check_index(&payload, LB_CORRUPT);
  lb_buf_free(&payload);
}

#define CONTENTS "[\"x\"]"

/* Blocks of 300, 1, 1000 and 7 bytes, with contents or without. */
static void varying_index(lb_buf *payload, const char *contents, uint32_t head)
{
  static const lb_block blocks[] = { { 0, 100, 300, 1, 0 }, { 100, 50, 1, 2, 0 }, { 150, 700, 1000, 3, 0 },
                                     { 850, 60, 7, 4, 0 } };
  lb_error err = LB_ERROR_INIT;
  lb_index index = { .block_bytes = 1000, .head_bytes = head };
  for (int i = 0; i < 4; i++) assert_int_equal(lb_index_add(&index, &blocks[i], 9, &err), LB_OK);
  assert_int_equal(lb_index_raw_offset(&index, 2), 301);
  index.manifest = strdup(MANIFEST);
  index.contents = contents ? strdup(contents) : NULL;
  assert_int_equal(lb_index_encode(&index, payload, &err), LB_OK);
  lb_index_free(&index);
}

static int decode_varying(const lb_buf *payload, lb_index *index)
{
  lb_error err = LB_ERROR_INIT;
  unsigned char *copy = malloc(payload->len);
  memcpy(copy, payload->data, payload->len);
  int rc = lb_index_decode(copy, payload->len, 910, index, &err);
  free(copy);
  return rc;
}

static void spoil(size_t at, uint32_t value)
{
  lb_buf payload = { 0 };
  lb_index index;
  varying_index(&payload, CONTENTS, 0);
  lb_put_u32(payload.data + at, value);
  if (decode_varying(&payload, &index) != LB_CORRUPT) fail_msg("%u at %zu was not refused", value, at);
  assert_null(index.contents);
  lb_buf_free(&payload);
}

static void test_varying_blocks(void **state)
{
  (void)state;
  static const uint64_t offsets[] = { 0, 300, 301, 1301 };
  lb_buf payload = { 0 };
  lb_index index;
  size_t stored, raw;
  varying_index(&payload, CONTENTS, 0);
  assert_int_equal(decode_varying(&payload, &index), LB_OK);
  assert_string_equal(index.contents, CONTENTS);
  assert_int_equal(index.raw_total, 1308);
  for (int i = 0; i < 4; i++) assert_int_equal(lb_index_raw_offset(&index, (uint64_t)i), offsets[i]);
  lb_index_largest(&index, &stored, &raw);
  assert_int_equal(stored, 700);
  assert_int_equal(raw, 1000);
  lb_index_free(&index);
  /* The section ends the stream: a NUL in it, then the section twice. */
  payload.data[payload.len - 2] = 0;
  assert_int_equal(decode_varying(&payload, &index), LB_CORRUPT);
  payload.data[payload.len - 2] = '"';
  lb_put_u32(payload.data + 20, lb_get_u32(payload.data + 20) + 1);
  lb_buf_append(&payload, payload.data + payload.len - 16 - strlen(CONTENTS), 16 + strlen(CONTENTS));
  assert_int_equal(decode_varying(&payload, &index), LB_CORRUPT);
  lb_buf_free(&payload);

  spoil(12, 999);             /* the block size: a block is larger */
  spoil(16, 300);             /* a head beside contents */
  spoil(BLOCK_AT(1, 12), 0);
  spoil(BLOCK_AT(1, 12), 2);  /* the sum */
  spoil(BLOCK_AT(2, 12), UINT32_MAX);

  /* Without contents the same blocks are damage; empty contents are contents. */
  varying_index(&payload, NULL, 0);
  assert_int_equal(decode_varying(&payload, &index), LB_CORRUPT);
  lb_buf_free(&payload);
  varying_index(&payload, "", 0);
  assert_int_equal(decode_varying(&payload, &index), LB_OK);
  assert_string_equal(index.contents, "");
  lb_index_free(&index);
  lb_buf_free(&payload);
}

/* An index of several records. */
static void test_long_index(void **state)
{
  (void)state;
  const lb_codec *codec;
  for (int i = 0; (codec = lb_codec_at(i)); i++) {
    lb_error err = LB_ERROR_INIT;
    lb_index index = { .block_bytes = 10 }, copy;
    lb_buf payload = { 0 }, tail = { 0 };
    lb_footer footer;
    for (uint32_t b = 0; b < 5000; b++) {
      lb_block block = { b * 7, 7, 10, b, 0 };
      assert_int_equal(lb_index_add(&index, &block, b, &err), LB_OK);
    }
    assert_int_equal(lb_index_encode(&index, &payload, &err), LB_OK);
    assert_int_equal(lb_index_pack(codec, &payload, 35000, &tail, &err), LB_OK);
    size_t at = tail.len - lb_footer_bytes(codec);
    assert_true(lb_footer_decode(codec, tail.data + at, &footer, &err));
    assert_int_equal(footer.index_stored, at);
    assert_int_equal(footer.index_offset, 35000);
    assert_int_equal(lb_index_unpack(codec, (unsigned char *)tail.data, &footer, &err), LB_OK);
    assert_int_equal(lb_index_decode(tail.data, footer.index_payload, 35000, &copy, &err), LB_OK);
    assert_int_equal(copy.count, 5000);
    assert_int_equal(copy.blocks[4999].crc, 4999);
    lb_index_free(&copy);
    lb_index_free(&index);
    lb_buf_free(&payload);
    lb_buf_free(&tail);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_hostile_index), cmocka_unit_test(test_varying_blocks), cmocka_unit_test(test_long_index),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
