/* See encoding.h. */
#include "postgres/encoding.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"

typedef enum kind { UTF8, CONVERTED, ASCII_ONLY } kind;  /* what is SQL_ASCII counts as UTF8 */

struct lb_pg_encoding {
  kind kind;
  iconv_t iconv;   /* of CONVERTED */
};

enum { NAME_BYTES = 32 };

/* PostgreSQL's names, and iconv's where these differ in more than case and punctuation. */
static const char *const names[][2] = {
  { "latin1", "ISO-8859-1" }, { "latin2", "ISO-8859-2" }, { "latin3", "ISO-8859-3" }, { "latin4", "ISO-8859-4" },
  { "latin5", "ISO-8859-9" }, { "latin6", "ISO-8859-10" }, { "latin7", "ISO-8859-13" }, { "latin8", "ISO-8859-14" },
  { "latin9", "ISO-8859-15" }, { "latin10", "ISO-8859-16" }, { "iso88595", "ISO-8859-5" },
  { "iso88596", "ISO-8859-6" }, { "iso88597", "ISO-8859-7" }, { "iso88598", "ISO-8859-8" },
  { "win866", "CP866" }, { "win874", "CP874" }, { "win1250", "CP1250" }, { "win1251", "CP1251" },
  { "win1252", "CP1252" }, { "win1253", "CP1253" }, { "win1254", "CP1254" }, { "win1255", "CP1255" },
  { "win1256", "CP1256" }, { "win1257", "CP1257" }, { "win1258", "CP1258" }, { "koi8r", "KOI8-R" },
  { "koi8u", "KOI8-U" }, { "euccn", "EUC-CN" }, { "eucjp", "EUC-JP" }, { "euckr", "EUC-KR" }, { "euctw", "EUC-TW" },
  { "eucjis2004", "EUC-JISX0213" },
};
static const char *const unsafe[] = { "sjis", "shiftjis2004", "big5", "gbk", "uhc", "gb18030", "johab" };

/* As the server reads a name: letters and digits only, in lower case. */
static void simplify(const char *name, char simple[NAME_BYTES])
{
  size_t n = 0;
  for (; *name && n < NAME_BYTES - 1; name++) {
    bool upper = *name >= 'A' && *name <= 'Z';
    if (upper || (*name >= 'a' && *name <= 'z') || (*name >= '0' && *name <= '9')) {
      simple[n++] = upper ? (char)(*name + 32) : *name;
    }
  }
  simple[n] = 0;
}

static void choose(lb_pg_encoding *e, const char *simple)
{
  e->kind = ASCII_ONLY;
  if (strcmp(simple, "utf8") == 0 || strcmp(simple, "unicode") == 0 || strcmp(simple, "sqlascii") == 0) {
    e->kind = UTF8;
  }
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    if (strcmp(simple, names[i][0]) != 0) continue;
    e->iconv = iconv_open("UTF-8", names[i][1]);
    if (e->iconv != (iconv_t)-1) e->kind = CONVERTED;
  }
}

bool lb_pg_encoding_has_ascii(const char *name)
{
  char simple[NAME_BYTES];
  simplify(name ? name : "UTF8", simple);
  for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) if (strcmp(simple, unsafe[i]) == 0) return false;
  return true;
}

lb_pg_encoding *lb_pg_encoding_open(const char *name, lb_error *err)
{
  char simple[NAME_BYTES];
  if (!lb_pg_encoding_has_ascii(name)) {
    lb_fail(err, LB_UNSUPPORTED, "the script is in %s, in which quotes cannot be told from parts of characters: dump "
            "again in UTF8 (pg_dump --encoding=UTF8)", name);
    return NULL;
  }
  simplify(name ? name : "UTF8", simple);
  lb_pg_encoding *e = calloc(1, sizeof *e);
  if (!e) lb_fail_nomem(err);
  else choose(e, simple);
  return e;
}

void lb_pg_encoding_close(lb_pg_encoding *e)
{
  if (!e) return;
  if (e->kind == CONVERTED) iconv_close(e->iconv);
  free(e);
}

/* All of data into buf, from its beginning. */
static bool convert(lb_pg_encoding *e, const char *data, size_t n, lb_buf *buf)
{
  char piece[4096], *in = (char *)data;  /* iconv does not write there */
  buf->len = 0;
  lb_buf_append(buf, "", 0);
  iconv(e->iconv, NULL, NULL, NULL, NULL);
  while (n && !buf->failed) {
    char *out = piece;
    size_t room = sizeof piece;
    size_t rc = iconv(e->iconv, &in, &n, &out, &room);
    lb_buf_append(buf, piece, sizeof piece - room);
    if (rc == (size_t)-1 && errno != E2BIG) return false;
  }
  return true;
}

bool lb_pg_encoding_text(lb_pg_encoding *e, const char *data, size_t n, lb_buf *buf, const char **text, size_t *len)
{
  *text = data;
  *len = n;
  if (n && memchr(data, 0, n)) return false;
  if (e->kind == UTF8) return lb_utf8_is_valid(data, n);
  if (lb_utf8_is_ascii(data, n)) return true;
  if (e->kind == ASCII_ONLY || !convert(e, data, n, buf)) return false;
  *text = buf->data;
  *len = buf->len;
  return true;
}

void lb_pg_name_in_json(const char *name, lb_buf *out)
{
  size_t left = strlen(name);
  while (left) {
    size_t n = lb_utf8_length(name, left);
    lb_buf_append(out, n ? name : "\xEF\xBF\xBD", n ? n : 3);
    name += n ? n : 1;
    left -= n ? n : 1;
  }
}

void lb_pg_encoding_name(lb_pg_encoding *e, const char *name, lb_buf *out)
{
  lb_buf converted = { 0 };
  const char *text;
  size_t len;
  if (lb_pg_encoding_text(e, name, strlen(name), &converted, &text, &len)) lb_buf_append(out, text, len);
  else lb_pg_name_in_json(name, out);
  out->failed = out->failed || converted.failed;
  lb_buf_free(&converted);
}
