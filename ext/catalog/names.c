/* See names.h. A name is taken apart from its right end, where every part has a fixed form; NAME, the part that may
** hold anything, is what remains. So admin_sqlite_copy_sqlite_20251104_120000.db.gz is a backup of
** "admin_sqlite_copy". */
#include "catalog/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/file.h"

#define NAME_BYTES 128       /* of NAME: leaves room for the rest, .note and .partial in the 255 bytes of a file name */
#define STAMP_LENGTH (LB_STAMP_BYTES - 1)
#define SERIAL_DIGITS 6      /* of LB_SERIAL_MOST */

static const char *const suffixes[] = { ".gz", ".zst", "" };
static const lb_type types[] = { LB_TYPE_SQLITE, LB_TYPE_POSTGRES };

static const char *type_extension(lb_type type)
{
  return type == LB_TYPE_SQLITE ? ".db" : type == LB_TYPE_POSTGRES ? ".sql" : "";
}

const char *lb_type_text(lb_type type)
{
  return type == LB_TYPE_SQLITE ? "sqlite" : type == LB_TYPE_POSTGRES ? "postgres" : "";
}

const char *lb_kind_text(lb_kind kind)
{
  return kind == LB_KIND_BEFORE_RESTORE ? "before_restore" : kind == LB_KIND_PARTIAL ? "partial" : "full";
}

lb_type lb_type_of_text(const char *text)
{
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    if (strcmp(text, lb_type_text(types[i])) == 0) return types[i];
  }
  return LB_TYPE_NONE;
}

/* ---- NAME ---- */

static bool is_control(char c)
{
  return (unsigned char)c < 0x20 || c == 0x7f;
}

static const char *name_fault(const char *name)
{
  if (!*name) return "it is empty";
  if (*name == '.') return "it begins with a dot";
  if (strlen(name) > NAME_BYTES) return "it is longer than 128 bytes";
  if (strstr(name, "..")) return "it contains \"..\"";
  for (const char *p = name; *p; p++) {
    if (*p == '/') return "it contains a '/'";
    if (is_control(*p)) return "it contains a control character";
  }
  return NULL;
}

int lb_name_check(const char *name, lb_error *err)
{
  const char *fault = name_fault(name);
  if (!fault) return LB_OK;
  /* A control character in a message could rewrite a terminal; such a name is not repeated. */
  if (strstr(fault, "control")) return lb_fail(err, LB_MISUSE, "this name cannot be a backup's: %s", fault);
  return lb_fail(err, LB_MISUSE, "name \"%.160s\" cannot be a backup's: %s", name, fault);
}

char *lb_name_of_path(const char *path, lb_error *err)
{
  const char *base = lb_path_base(path);
  const char *dot = strrchr(base, '.');
  size_t n = dot && dot != base ? (size_t)(dot - base) : strlen(base);
  if (n > NAME_BYTES) {
    n = NAME_BYTES;
    while (n > 1 && ((unsigned char)base[n] & 0xC0) == 0x80) n--; /* not in the middle of a character */
  }
  if (n == 0) return lb_text_copy("database", err);
  char *name = lb_text_printf(err, "%.*s", (int)n, base);
  if (!name) return NULL;
  for (char *p = name; *p; p++) {
    if (is_control(*p) || (*p == '.' && (p == name || p[-1] == '.'))) *p = '_';
  }
  return name;
}

/* ---- taking a file name apart ---- */

static bool strip(const char *text, size_t *len, const char *end)
{
  size_t n = strlen(end);
  if (*len < n || memcmp(text + *len - n, end, n) != 0) return false;
  *len -= n;
  return true;
}

/* ".db.gz" and the like; sets type and suffix. */
static bool strip_extension(const char *text, size_t *len, lb_name *name)
{
  size_t i = 0;
  while (!strip(text, len, suffixes[i])) i++; /* the last one is "", which always fits */
  name->suffix = suffixes[i];
  for (size_t t = 0; t < sizeof types / sizeof types[0]; t++) {
    if (!strip(text, len, type_extension(types[t]))) continue;
    name->type = types[t];
    return true;
  }
  return false;
}

static bool strip_stamp(const char *text, size_t *len, int64_t *created)
{
  if (*len <= STAMP_LENGTH || text[*len - STAMP_LENGTH - 1] != '_') return false;
  if (!lb_clock_parse_stamp(text + *len - STAMP_LENGTH, created)) return false;
  *len -= STAMP_LENGTH + 1;
  return true;
}

/* "_2" and up, as lb_name_format writes it. */
static bool strip_serial(const char *text, size_t *len, int *serial)
{
  size_t digits = 0;
  int value = 0, unit = 1;
  while (digits < SERIAL_DIGITS && digits < *len) {
    char c = text[*len - digits - 1];
    if (c < '0' || c > '9') break;
    value += (c - '0') * unit;
    unit *= 10;
    digits++;
  }
  if (!digits || *len <= digits || text[*len - digits - 1] != '_') return false;
  if (text[*len - digits] == '0' || value < 2) return false;
  *len -= digits + 1;
  *serial = value;
  return true;
}

/* "_TYPE", which must agree with the extension; what is left is NAME. */
static bool finish_name(const char *text, size_t len, lb_name *name)
{
  if (!strip(text, &len, lb_type_text(name->type)) || !strip(text, &len, "_")) return false;
  if (len == 0 || len > NAME_BYTES) return false;
  memcpy(name->name, text, len);
  name->name[len] = 0;
  return name_fault(name->name) == NULL;
}

bool lb_name_parse(const char *file, lb_name *name)
{
  size_t len = strlen(file);
  memset(name, 0, sizeof *name);
  name->serial = 1;
  if (!strip_extension(file, &len, name)) return false;
  if (!strip_stamp(file, &len, &name->created)) {
    if (!strip_serial(file, &len, &name->serial) || !strip_stamp(file, &len, &name->created)) return false;
  }
  if (strip(file, &len, "_before_restore")) name->kind = LB_KIND_BEFORE_RESTORE;
  else if (strip(file, &len, "_partial")) name->kind = LB_KIND_PARTIAL;
  return finish_name(file, len, name);
}

bool lb_name_parse_latest(const char *file, lb_name *name)
{
  size_t len = strlen(file);
  memset(name, 0, sizeof *name);
  name->serial = 1;
  return strip_extension(file, &len, name) && strip(file, &len, "_latest") && finish_name(file, len, name);
}

char *lb_name_format(const lb_name *name, lb_error *err)
{
  char stamp[LB_STAMP_BYTES], serial[16] = "";
  lb_clock_stamp(name->created, stamp);
  if (name->serial > 1) snprintf(serial, sizeof serial, "_%d", name->serial);
  bool full = name->kind == LB_KIND_FULL;
  return lb_text_printf(err, "%s_%s%s%s_%s%s%s%s", name->name, lb_type_text(name->type), full ? "" : "_",
                        full ? "" : lb_kind_text(name->kind), stamp, serial,
                        type_extension(name->type), name->suffix ? name->suffix : "");
}
