/* The names of backup files: NAME_TYPE_YYYYMMDD_HHMMSS[_N].EXT, NAME_TYPE_before_restore_… for what a restore saved,
** and NAME_TYPE_partial_… for what is not all of a database.
**
** NAME may contain anything but '/', control bytes, ".." and a leading dot, and has at most 128 bytes; TYPE is sqlite
** or postgres; times are UTC; _N (from 2) tells apart backups of one second; EXT is db or sql, then .gz, .zst
** or nothing. Pure functions; no files.
*/
#ifndef LB_CATALOG_NAMES_H
#define LB_CATALOG_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef enum lb_type { LB_TYPE_NONE, LB_TYPE_SQLITE, LB_TYPE_POSTGRES } lb_type;
typedef enum lb_kind { LB_KIND_FULL, LB_KIND_BEFORE_RESTORE, LB_KIND_PARTIAL } lb_kind;

#define LB_NAME_MAX 160
#define LB_SERIAL_MOST 999999  /* a name with a higher one is not of this scheme */

typedef struct lb_name {
  char name[LB_NAME_MAX];
  lb_type type;
  lb_kind kind;
  int64_t created;      /* seconds UTC, from the stamp */
  int serial;           /* 1 for a name without _N; at most LB_SERIAL_MOST */
  const char *suffix;   /* ".gz", ".zst" or "": a literal */
} lb_name;

/* The name of a file in a folder taken apart; false when it is not of this scheme. */
bool lb_name_parse(const char *file, lb_name *name);

/* The file name of it, allocated (the caller frees). */
char *lb_name_format(const lb_name *name, lb_error *err);

/* Fails with LB_MISUSE and the reason where name cannot be a backup's NAME. */
int lb_name_check(const char *name, lb_error *err);

/* The default NAME for a database file: the base name without its last extension; characters that a NAME may not hold
** become '_'. Allocated. */
char *lb_name_of_path(const char *path, lb_error *err);

/* Reads NAME_TYPE_latest.EXT; false when file is not of that form. */
bool lb_name_parse_latest(const char *file, lb_name *name);

const char *lb_type_text(lb_type type);   /* "sqlite", "postgres", "" */
const char *lb_kind_text(lb_kind kind);   /* "full", "before_restore", "partial" */
lb_type lb_type_of_text(const char *text);

#endif
