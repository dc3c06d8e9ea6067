/* See index.h. */
#include "archive/index.h"

#include <stdlib.h>
#include <string.h>

#include "core/hash.h"

#define INDEX_MAGIC "LBINDEX"        /* with its NUL: 8 bytes */
#define FOOTER_MAGIC "LBFOOTR"
#define MAGIC_BYTES 8
#define VERSION 1
#define HEADER_BYTES 40
#define SECTION_HEADER 16
#define BLOCK_BYTES 20
#define HEAD_LIMIT 65536

enum { SECTION_BLOCKS = 1, SECTION_MANIFEST = 2, SECTION_HASHES = 3, SECTION_CONTENTS = 4 };

/* ---- the table ---- */

static int grow(lb_index *index, lb_error *err)
{
  uint64_t capacity = index->capacity ? index->capacity * 2 : 256;
  lb_block *blocks = realloc(index->blocks, capacity * sizeof *blocks);
  if (!blocks) return lb_fail_nomem(err);
  index->blocks = blocks;
  if (lb_hash_available()) {
    uint64_t *hashes = realloc(index->hashes, capacity * sizeof *hashes);
    if (!hashes) return lb_fail_nomem(err);
    index->hashes = hashes;
  }
  index->capacity = capacity;
  return LB_OK;
}

int lb_index_add(lb_index *index, const lb_block *block, uint64_t hash, lb_error *err)
{
  if (index->count == index->capacity && grow(index, err)) return err->code;
  index->blocks[index->count] = *block;
  index->blocks[index->count].raw_offset = index->raw_total;
  if (index->hashes) index->hashes[index->count] = hash;
  index->raw_total += block->raw;
  index->count++;
  return LB_OK;
}

void lb_index_free(lb_index *index)
{
  free(index->blocks);
  free(index->hashes);
  free(index->manifest);
  free(index->contents);
  memset(index, 0, sizeof *index);
}

uint64_t lb_index_raw_offset(const lb_index *index, uint64_t number)
{
  return index->blocks[number].raw_offset;
}

uint64_t lb_index_find(const lb_index *index, uint64_t offset)
{
  uint64_t low = 0, high = index->count;
  while (high - low > 1) {
    uint64_t middle = low + (high - low) / 2;
    if (index->blocks[middle].raw_offset <= offset) low = middle;
    else high = middle;
  }
  return low;
}

void lb_index_largest(const lb_index *index, size_t *stored, size_t *raw)
{
  *stored = *raw = 1;
  for (uint64_t i = 0; i < index->count; i++) {
    if (index->blocks[i].stored > *stored) *stored = index->blocks[i].stored;
    if (index->blocks[i].raw > *raw) *raw = index->blocks[i].raw;
  }
}

static void put_hashes(const lb_index *index, lb_buf *buf)
{
  for (uint64_t i = 0; i < index->count; i++) lb_buf_u64(buf, index->hashes[i]);
}

int lb_index_content_hash(const lb_index *index, uint64_t *hash, lb_error *err)
{
  lb_buf bytes = { 0 };
  *hash = 0;
  if (!lb_hash_available()) return LB_OK;
  put_hashes(index, &bytes);
  if (bytes.failed) {
    lb_fail_nomem(err);
  } else {
    *hash = lb_hash64(bytes.data ? bytes.data : "", bytes.len);
  }
  lb_buf_free(&bytes);
  return err->code;
}

/* ---- the stream ---- */

static void put_section(lb_buf *buf, uint32_t number, uint64_t bytes)
{
  lb_buf_u32(buf, number);
  lb_buf_u32(buf, 0);
  lb_buf_u64(buf, bytes);
}

static void put_text_section(lb_buf *buf, uint32_t number, const char *text)
{
  put_section(buf, number, strlen(text));
  lb_buf_text(buf, text);
}

int lb_index_encode(const lb_index *index, lb_buf *payload, lb_error *err)
{
  lb_buf_append(payload, INDEX_MAGIC, MAGIC_BYTES);
  lb_buf_u32(payload, VERSION);
  lb_buf_u32(payload, index->block_bytes);
  lb_buf_u32(payload, index->head_bytes);
  lb_buf_u32(payload, 1u + (index->manifest != NULL) + (index->hashes != NULL) + (index->contents != NULL));
  lb_buf_u64(payload, index->count);
  lb_buf_u64(payload, index->raw_total);
  put_section(payload, SECTION_BLOCKS, index->count * BLOCK_BYTES);
  for (uint64_t i = 0; i < index->count; i++) {
    const lb_block *b = &index->blocks[i];
    lb_buf_u64(payload, b->offset);
    lb_buf_u32(payload, b->stored);
    lb_buf_u32(payload, b->raw);
    lb_buf_u32(payload, b->crc);
  }
  if (index->manifest) put_text_section(payload, SECTION_MANIFEST, index->manifest);
  if (index->hashes) {
    put_section(payload, SECTION_HASHES, index->count * 8);
    put_hashes(index, payload);
  }
  if (index->contents) put_text_section(payload, SECTION_CONTENTS, index->contents);
  return payload->failed ? lb_fail_nomem(err) : LB_OK;
}

static int damaged(lb_error *err, const char *what)
{
  return lb_fail(err, LB_CORRUPT, "the index is damaged: %s", what);
}

/* What a block of this number must hold: the head, a full block, or for the last one from 1 to a full block; with
** contents each from 1 to a full block. */
static bool raw_is_valid(const lb_index *index, uint64_t number, uint32_t raw)
{
  if (number == 0 && index->head_bytes) return raw == index->head_bytes;
  if (number + 1 < index->count && !index->contents) return raw == index->block_bytes;
  return raw >= 1 && raw <= index->block_bytes;
}

/* The rule depends on a section that may come after the blocks: so it is asked last. */
static int check_lengths(const lb_index *index, lb_error *err)
{
  if (index->contents && index->head_bytes) return damaged(err, "a head beside contents");
  for (uint64_t i = 0; i < index->count; i++) {
    if (!raw_is_valid(index, i, index->blocks[i].raw)) return damaged(err, "the length of a block");
  }
  return LB_OK;
}

static int decode_blocks(const unsigned char *p, uint64_t n, uint64_t data_end, lb_index *index, lb_error *err)
{
  if (index->count > n / BLOCK_BYTES || index->count * BLOCK_BYTES != n) return damaged(err, "its number of blocks");
  index->blocks = malloc(index->count ? index->count * sizeof *index->blocks : 1);
  if (!index->blocks) return lb_fail_nomem(err);
  uint64_t offset = 0, raw = 0;
  for (uint64_t i = 0; i < index->count; i++, p += BLOCK_BYTES) {
    lb_block *b = &index->blocks[i];
    b->offset = lb_get_u64(p);
    b->stored = lb_get_u32(p + 8);
    b->raw = lb_get_u32(p + 12);
    b->crc = lb_get_u32(p + 16);
    b->raw_offset = raw;
    if (b->raw > LB_BLOCK_MAX) return damaged(err, "the length of a block");
    if (b->offset != offset || b->stored == 0 || b->stored > data_end - offset) {
      return damaged(err, "the place of a block");
    }
    if (b->stored > (uint64_t)b->raw + b->raw / 128 + 1024) return damaged(err, "the stored length of a block");
    offset += b->stored;
    raw += b->raw;
  }
  if (offset != data_end) return damaged(err, "the blocks do not end where it begins");
  if (raw != index->raw_total) return damaged(err, "the lengths do not add up");
  return LB_OK;
}

static int decode_text(const unsigned char *p, uint64_t n, const char *what, char **text, lb_error *err)
{
  if (*text) return lb_fail(err, LB_CORRUPT, "the index is damaged: %s twice", what);
  if (memchr(p, 0, n)) return damaged(err, what);
  *text = malloc(n + 1);
  if (!*text) return lb_fail_nomem(err);
  memcpy(*text, p, n);
  (*text)[n] = 0;
  return LB_OK;
}

static int decode_hashes(const unsigned char *p, uint64_t n, lb_index *index, lb_error *err)
{
  if (index->count > n / 8 || index->count * 8 != n) return damaged(err, "its number of hashes");
  index->hashes = malloc(n ? n : 1);
  if (!index->hashes) return lb_fail_nomem(err);
  for (uint64_t i = 0; i < index->count; i++) index->hashes[i] = lb_get_u64(p + i * 8);
  return LB_OK;
}

static int decode_section(uint32_t number, const unsigned char *p, uint64_t n, uint64_t data_end, lb_index *index,
                          lb_error *err)
{
  switch (number) {
  case SECTION_BLOCKS:
    return index->blocks ? damaged(err, "blocks are there twice") : decode_blocks(p, n, data_end, index, err);
  case SECTION_MANIFEST:
    return decode_text(p, n, "the manifest", &index->manifest, err);
  case SECTION_HASHES:
    return index->hashes ? damaged(err, "hashes are there twice") : decode_hashes(p, n, index, err);
  case SECTION_CONTENTS:
    return decode_text(p, n, "the contents", &index->contents, err);
  default:
    return LB_OK;  /* of a later version, which says by the format's version where it must not be ignored */
  }
}

static int decode(const unsigned char *p, size_t len, uint64_t data_end, lb_index *index, lb_error *err)
{
  if (len < HEADER_BYTES || memcmp(p, INDEX_MAGIC, MAGIC_BYTES)) return damaged(err, "its beginning");
  if (lb_get_u32(p + 8) != VERSION) {
    return lb_fail(err, LB_UNSUPPORTED, "the index has version %u; this build reads version %d", lb_get_u32(p + 8),
                   VERSION);
  }
  index->block_bytes = lb_get_u32(p + 12);
  index->head_bytes = lb_get_u32(p + 16);
  uint32_t sections = lb_get_u32(p + 20);
  index->count = index->capacity = lb_get_u64(p + 24);
  index->raw_total = lb_get_u64(p + 32);
  if (index->block_bytes == 0 || index->block_bytes > LB_BLOCK_MAX) return damaged(err, "the block size");
  if (index->head_bytes > HEAD_LIMIT) return damaged(err, "the head's size");
  if (index->head_bytes && index->count == 0) return damaged(err, "a head without a block");
  size_t at = HEADER_BYTES;
  for (uint32_t i = 0; i < sections; i++) {
    if (len - at < SECTION_HEADER) return damaged(err, "it is too short");
    uint32_t number = lb_get_u32(p + at), reserved = lb_get_u32(p + at + 4);
    uint64_t n = lb_get_u64(p + at + 8);
    at += SECTION_HEADER;
    if (reserved) return damaged(err, "a reserved field");
    if (n > len - at) return damaged(err, "it is too short");
    if (decode_section(number, p + at, n, data_end, index, err)) return err->code;
    at += n;
  }
  if (at != len) return damaged(err, "it is too long");
  if (!index->blocks) return damaged(err, "it has no blocks");
  return check_lengths(index, err);
}

int lb_index_decode(const void *payload, size_t len, uint64_t data_end, lb_index *index, lb_error *err)
{
  memset(index, 0, sizeof *index);
  if (decode(payload, len, data_end, index, err)) lb_index_free(index);
  return err->code;
}

/* ---- records ---- */

uint64_t lb_index_stored_bytes(const lb_codec *codec, uint64_t n)
{
  uint64_t full = n / LB_RECORD_MAX, rest = n % LB_RECORD_MAX;
  return full * codec->record_size(LB_RECORD_MAX) + (rest ? codec->record_size(rest) : 0);
}

size_t lb_footer_bytes(const lb_codec *codec)
{
  return codec->record_size(LB_FOOTER_PAYLOAD);
}

static void put_footer(const lb_footer *footer, unsigned char *p)
{
  memcpy(p, FOOTER_MAGIC, MAGIC_BYTES);
  lb_put_u32(p + 8, VERSION);
  lb_put_u32(p + 12, footer->index_crc);
  lb_put_u64(p + 16, footer->index_offset);
  lb_put_u64(p + 24, footer->index_stored);
  lb_put_u64(p + 32, footer->index_payload);
  lb_put_u32(p + 40, lb_crc32(0, p, 40));
}

static void append_record(const lb_codec *codec, lb_member_kind kind, const void *payload, size_t n, lb_buf *buf)
{
  unsigned char record[LB_RECORD_MAX + 256];
  codec->record(kind, payload, n, record);
  lb_buf_append(buf, record, codec->record_size(n));
}

int lb_index_pack(const lb_codec *codec, const lb_buf *payload, uint64_t index_offset, lb_buf *tail, lb_error *err)
{
  unsigned char bytes[LB_FOOTER_PAYLOAD];
  for (size_t at = 0; at < payload->len; at += LB_RECORD_MAX) {
    size_t n = payload->len - at < LB_RECORD_MAX ? payload->len - at : LB_RECORD_MAX;
    append_record(codec, LB_MEMBER_INDEX, payload->data + at, n, tail);
  }
  lb_footer footer = { index_offset, lb_index_stored_bytes(codec, payload->len), payload->len,
                       lb_crc32(0, payload->data, payload->len) };
  put_footer(&footer, bytes);
  append_record(codec, LB_MEMBER_FOOTER, bytes, sizeof bytes, tail);
  return tail->failed ? lb_fail_nomem(err) : LB_OK;
}

/* Whether stored is byte for byte the record of its payload: every field of a header has one right value. */
static bool record_is_exact(const lb_codec *codec, lb_member_kind kind, const unsigned char *stored, size_t n,
                            lb_member *m)
{
  unsigned char record[LB_RECORD_MAX + 256];
  size_t size = codec->record_size(n);
  if (!codec->member_at(stored, size, m) || !m->ours || m->kind != kind || m->payload_bytes != n) return false;
  codec->record(kind, stored + m->payload_offset, n, record);
  return memcmp(record, stored, size) == 0;
}

int lb_index_unpack(const lb_codec *codec, unsigned char *stored, const lb_footer *footer, lb_error *err)
{
  unsigned char *to = stored;
  const unsigned char *from = stored;
  for (uint64_t left = footer->index_payload; left;) {
    lb_member m;
    size_t n = left < LB_RECORD_MAX ? (size_t)left : LB_RECORD_MAX;
    if (!record_is_exact(codec, LB_MEMBER_INDEX, from, n, &m)) return damaged(err, "a record");
    memmove(to, from + m.payload_offset, n);
    from += codec->record_size(n);
    to += n;
    left -= n;
  }
  if (lb_crc32(0, stored, footer->index_payload) != footer->index_crc) return damaged(err, "its checksum");
  return LB_OK;
}

bool lb_footer_decode(const lb_codec *codec, const void *tail, lb_footer *footer, lb_error *err)
{
  lb_member m;
  if (!record_is_exact(codec, LB_MEMBER_FOOTER, tail, LB_FOOTER_PAYLOAD, &m)) return false;
  const unsigned char *p = (const unsigned char *)tail + m.payload_offset;
  if (memcmp(p, FOOTER_MAGIC, MAGIC_BYTES) || lb_get_u32(p + 40) != lb_crc32(0, p, 40)) return false;
  footer->index_crc = lb_get_u32(p + 12);
  footer->index_offset = lb_get_u64(p + 16);
  footer->index_stored = lb_get_u64(p + 24);
  footer->index_payload = lb_get_u64(p + 32);
  if (lb_get_u32(p + 8) != VERSION) {
    lb_fail(err, LB_UNSUPPORTED, "the backup has format version %u; this build reads version %d", lb_get_u32(p + 8),
            VERSION);
  }
  return true;
}
