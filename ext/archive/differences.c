/* See differences.h. */
#include "archive/differences.h"

#include "archive/opened.h"

static bool equal(const lb_index *a, uint64_t i, const lb_index *b, uint64_t j)
{
  return a->blocks[i].raw_offset == b->blocks[j].raw_offset && a->blocks[i].raw == b->blocks[j].raw &&
         a->hashes[i] == b->hashes[j];
}

static uint64_t end_of(const lb_index *index, uint64_t number)
{
  return index->blocks[number].raw_offset + index->blocks[number].raw;
}

int lb_index_differences(const lb_index *a, const lb_index *b, lb_stretch_take each, void *ctx, lb_error *err)
{
  uint64_t told = 0, end = a->raw_total > b->raw_total ? a->raw_total : b->raw_total;
  for (uint64_t i = 0, j = 0; a->hashes && b->hashes && i < a->count && j < b->count;) {
    uint64_t end_a = end_of(a, i), end_b = end_of(b, j);
    if (equal(a, i, b, j)) {
      uint64_t begin = a->blocks[i].raw_offset;
      if (begin > told && each(ctx, told, begin - told, err)) return err->code;
      told = end_a;
    }
    if (end_a <= end_b) i++;
    if (end_b <= end_a) j++;
  }
  return told < end ? each(ctx, told, end - told, err) : LB_OK;
}

int lb_reader_differences(const lb_reader *a, const lb_reader *b, lb_stretch_take each, void *ctx, lb_error *err)
{
  return lb_index_differences(&a->index, &b->index, each, ctx, err);
}

bool lb_reader_has_block(const lb_reader *r, uint64_t offset, size_t n, uint64_t hash)
{
  const lb_index *index = &r->index;
  uint64_t number = lb_index_find(index, offset);
  return index->hashes && number < index->count && index->blocks[number].raw_offset == offset &&
         index->blocks[number].raw == n && index->hashes[number] == hash;
}

size_t lb_reader_block_bytes(const lb_reader *r)
{
  return r->index.block_bytes;
}

bool lb_reader_has_hashes(const lb_reader *r)
{
  return r->index.hashes != NULL;
}
