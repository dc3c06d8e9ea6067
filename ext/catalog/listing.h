/* The listing of a folder of backups. The folder is the truth: names, footers and manifests, NAME.pin and NAME.note
** files; verification results come from catalog.db where there is one (history.h).
**
** A file belongs to the listing when its name is of the scheme (names.h) and it is a regular file. One that cannot be
** read is listed too, with `problem` set: nobody should miss it.
*/
#ifndef LB_CATALOG_LISTING_H
#define LB_CATALOG_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog/names.h"
#include "core/json.h"

/* The manifest is a JSON object with these keys; each but format may be absent, unknown ones are ignored:
**
**     format        1
**     tool, source, name, codec, journal_mode, note       texts, as below
**     type          "sqlite", "postgres"
**     kind          "full" (also where absent), "before_restore", "partial"
**     created, keep_until                                 "YYYY-MM-DD HH:MM:SS", UTC
**     raw_bytes, level, block_bytes, page_size, page_count, uid, gid   whole numbers from 0
**     server_version, pg_dump_version                     texts, of postgres: "15.20", of server and program
**     database, encoding, locale_provider, collate, ctype, locale, icu_rules
**                   the same: its name, and what CREATE DATABASE says of it
**     scope         of a partial one, what there is of it: "schema_only", "data_only", "some_tables"
**     tables        how many have data in it, 0 to 2147483647
**     content_hash  "xxh3-64-blocks:" and 16 hex digits
**     mode          octal text: "0640"
*/
typedef struct lb_manifest {      /* fields are NULL, 0 or -1 where the manifest has none */
  char *source;                   /* absolute path, or a URI without password */
  char *tool;                     /* "lifeboat 0.1.0" */
  char *note, *codec, *content_hash, *journal_mode, *name;
  lb_type type;
  lb_kind kind;
  int64_t created, keep_until;    /* seconds UTC; 0: none */
  int64_t raw_bytes, page_size, page_count, level, block_bytes;  /* -1: not known */
  int64_t mode, uid, gid;         /* of the source file; -1: not known */
  char *server_version, *pg_dump_version, *database, *encoding, *locale_provider, *collate, *ctype;
  char *locale, *icu_rules, *scope;
  int64_t tables;                 /* -1: not known */
} lb_manifest;

typedef struct lb_backup {
  char *path, *file;
  lb_name name;
  lb_manifest manifest;           /* empty for files of other tools */
  bool indexed;                   /* ours: has footer, index and manifest */
  int64_t bytes;                  /* of the file */
  int64_t created;                /* of the manifest, else of the name */
  int64_t modified;               /* of the file, nanoseconds since 1970 */
  char *problem;                  /* NULL: the file looks whole (footer and index, or a gzip/zstd/SQLite beginning) */
  int unread; /* problem is no damage: the machine failed, or this build cannot read it; an lb_code */
  bool pinned;
  char *note;                     /* NAME.note, else the manifest's */
  int64_t verified_at;            /* 0: never */
  char *verify_result;            /* NULL: never; "ok", or the first line of what was wrong */
} lb_backup;

typedef struct lb_listing {
  lb_backup *items;               /* newest first: by created, serial, modified, name */
  int count;
  lb_error history;               /* set: results of verifications could not be read (locked, no permission), and why */
} lb_listing;

/* A folder that does not exist is LB_NOTFOUND. Symbolic links are not listed. A history that cannot be read is no
** failure, but goes to listing->history and the host's log; one that is missing or damaged counts as none. */
int lb_listing_read(const char *dir, lb_json *json, lb_listing *listing, lb_error *err);
void lb_listing_free(lb_listing *listing);

/* One file, which may lie anywhere and have any name (then name.type is LB_TYPE_NONE unless the manifest has it). Links
** are followed: the caller named it. Fails only where there is no such file; what is wrong inside is its problem. */
int lb_backup_read(const char *path, lb_json *json, lb_backup *backup, lb_error *err);
void lb_backup_free(lb_backup *backup);

/* Whether it counts as a good backup: no problem, and its last verification, if any, was ok. */
bool lb_backup_is_good(const lb_backup *backup);

/* Whether a good one is known to have its end: by the footer of ours, or by its verification. Of another tool's file
** that was never verified only the beginning was seen. */
bool lb_backup_is_known_whole(const lb_backup *backup);

/* What identifies its source: the manifest's, else NULL (files of other tools: only name and type tell). Two
** backups are of one source when name and type are equal, and their sources are equal or one of them is not known. */
bool lb_backup_same_source(const lb_backup *a, const lb_backup *b);

/* Sorts a listing by source: *groups gets a number from 0 below *count for each item, equal for backups of one source.
** Backups of unknown source belong to the one known source of their name and type; where there are several of these,
** they are a group of their own. Not every number need be in use. Allocated; the caller frees. */
int lb_listing_group(const lb_listing *listing, int **groups, int *count, lb_error *err);

/* init makes a manifest without any field. A parse that fails leaves an empty one: LB_CORRUPT or
** LB_UNSUPPORTED. */
void lb_manifest_init(lb_manifest *manifest);
int lb_manifest_parse(lb_json *json, const char *text, lb_manifest *manifest, lb_error *err);
char *lb_manifest_format(const lb_manifest *manifest, lb_error *err);   /* allocated JSON */
void lb_manifest_free(lb_manifest *manifest);

#endif
