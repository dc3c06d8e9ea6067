/* What lies where in a Postgres backup: its table of contents, to and from the JSON that the index holds
** (docs/format.md, section 4).
**
** A backup is a sequence of parts, in the order of the script; each begins a block of its own. A table's data may be in
** many parts, mixed with those of others: each is a whole COPY statement.
*/
#ifndef LB_POSTGRES_CONTENTS_H
#define LB_POSTGRES_CONTENTS_H

#include <stdint.h>

#include "core/buffer.h"
#include "core/json.h"
#include "postgres/key_range.h"

typedef enum lb_part_kind {
  LB_PART_ROLES, LB_PART_PRE_DATA, LB_PART_DATA, LB_PART_SEQUENCES, LB_PART_LARGE_OBJECTS, LB_PART_POST_DATA
} lb_part_kind;

typedef struct lb_pg_table {
  char *schema, *name;     /* in the database's encoding; what is no UTF-8 is U+FFFD once it was JSON */
  uint64_t rows, bytes;    /* of COPY text */
  char *key;               /* the column whose ranges parts tell, by its name in the backup; NULL: none */
  uint64_t checksum;       /* sum modulo 2^64 of lb_hash64 of each row's COPY text without its newline; 0: not known */
} lb_pg_table;

typedef struct lb_pg_part {
  lb_part_kind kind;
  int table;               /* of LB_PART_DATA: index into tables; else -1 */
  uint64_t block, blocks;  /* the first one's number, and how many */
  uint64_t rows, bytes;    /* rows of DATA; bytes of script, COPY statement included */
  lb_key_range *keys;      /* of DATA: of the table's key; NULL: not known */
} lb_pg_part;

typedef struct lb_pg_contents {
  lb_pg_table *tables;
  int table_count, table_capacity;
  lb_pg_part *parts;
  int64_t part_count, part_capacity;
  bool checksums;          /* the tables' checksums are known */
} lb_pg_contents;

int lb_pg_contents_add_table(lb_pg_contents *c, const char *schema, const char *name, int *index, lb_error *err);
int lb_pg_contents_add_part(lb_pg_contents *c, const lb_pg_part *part, lb_error *err);  /* copies keys */
void lb_pg_contents_free(lb_pg_contents *c);

/* JSON, allocated. The text of parse is hostile: parts lie without gaps from block 0 to block_count, tables exist,
** kinds come in the order of the script; anything else is LB_CORRUPT. */
char *lb_pg_contents_format(const lb_pg_contents *c, lb_error *err);
int lb_pg_contents_parse(lb_json *json, const char *text, uint64_t block_count, lb_pg_contents *c, lb_error *err);

const char *lb_part_kind_text(lb_part_kind kind);  /* "pre-data", "data", … */

#endif
