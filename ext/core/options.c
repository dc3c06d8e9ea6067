/* See options.h. All messages are made here, so that every function of the surface speaks of its options alike. */
#include "core/options.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"

/* ---- messages ---- */

static void put_choices(lb_buf *buf, const char *choices)
{
  for (const char *p = choices; *p; p++) {
    if (*p == '|') lb_buf_text(buf, ", ");
    else lb_buf_append(buf, p, 1);
  }
}

static void put_expected(lb_buf *buf, const lb_option *option)
{
  switch (option->kind) {
  case LB_OPTION_INT:
    if (option->max == INT64_MAX) lb_buf_printf(buf, "a whole number of at least %lld", (long long)option->min);
    else lb_buf_printf(buf, "a whole number from %lld to %lld", (long long)option->min, (long long)option->max);
    break;
  case LB_OPTION_BOOL:
    lb_buf_text(buf, "true or false");
    break;
  case LB_OPTION_LEVEL:
    lb_buf_text(buf, "true, false or ");
    /* fall through */
  case LB_OPTION_TEXT:
    if (option->choices) {
      lb_buf_text(buf, "one of ");
      put_choices(buf, option->choices);
    } else {
      lb_buf_text(buf, "a text that is not empty");
    }
    break;
  case LB_OPTION_LIST:
    lb_buf_text(buf, option->min ? "a text or an array of texts, and not empty" : "a text or an array of texts");
    break;
  }
}

static int fail_value(const lb_option *option, lb_error *err)
{
  lb_buf expected = { 0 };
  put_expected(&expected, option);
  if (expected.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_MISUSE, "option \"%s\" must be %s", option->name, expected.data);
  lb_buf_free(&expected);
  return err->code;
}

static int fail_unknown(const lb_option *known, const char *key, lb_error *err)
{
  lb_buf names = { 0 };
  for (const lb_option *o = known; o->name; o++) {
    if (o != known) lb_buf_text(&names, ", ");
    lb_buf_text(&names, o->name);
  }
  if (names.failed) lb_fail_nomem(err);
  else lb_fail(err, LB_MISUSE, "unknown option \"%.100s\" (valid: %s)", key, names.data ? names.data : "none");
  lb_buf_free(&names);
  return err->code;
}

/* An example of the first option, of which every function has one. */
static void put_example(lb_buf *buf, const lb_option *option)
{
  lb_buf_printf(buf, "{\"%s\":", option->name);
  if (option->kind == LB_OPTION_INT) lb_buf_printf(buf, "%lld}", (long long)option->min);
  else if (option->kind == LB_OPTION_LIST) lb_buf_text(buf, "[\"…\"]}");
  else if (option->kind != LB_OPTION_TEXT) lb_buf_text(buf, "true}");
  else if (!option->choices) lb_buf_text(buf, "\"…\"}");
  else lb_buf_printf(buf, "\"%.*s\"}", (int)strcspn(option->choices, "|"), option->choices);
}

static int fail_shape(const lb_option *known, lb_error *err)
{
  lb_error why = *err;
  lb_buf example = { 0 };
  put_example(&example, known);
  lb_error_clear(err);
  if (example.failed) lb_fail_nomem(err);
  else lb_fail(err, why.code, "options: %s; they are written as in %s", why.message, example.data);
  lb_buf_free(&example);
  return err->code;
}

/* ---- fields ---- */

static bool is_choice(const char *choices, const char *text, size_t n)
{
  for (const char *p = choices; p;) {
    const char *end = strchr(p, '|');
    size_t len = end ? (size_t)(end - p) : strlen(p);
    if (len == n && memcmp(p, text, n) == 0) return true;
    p = end ? end + 1 : NULL;
  }
  return false;
}

/* A field is reached through memcpy: only the offset is known here, not the type of the struct. */
static int set_int(const lb_option *option, int64_t value, void *target, lb_error *err)
{
  if (value < option->min || value > option->max) return fail_value(option, err);
  memcpy((char *)target + option->offset, &value, sizeof value);
  return LB_OK;
}

static int set_bool(const lb_option *option, bool truth, void *target)
{
  int value = truth;
  memcpy((char *)target + option->offset, &value, sizeof value);
  return LB_OK;
}

static char *get_text(const lb_option *option, const void *target)
{
  char *text;
  memcpy(&text, (const char *)target + option->offset, sizeof text);
  return text;
}

/* Gives the field a new text, which is its own from here on. */
static void put_field(const lb_option *option, char *text, void *target)
{
  free(get_text(option, target));
  memcpy((char *)target + option->offset, &text, sizeof text);
}

static int set_text(const lb_option *option, const char *text, size_t n, void *target, lb_error *err)
{
  if (n == 0 || (option->choices && !is_choice(option->choices, text, n))) return fail_value(option, err);
  char *copy = strndup(text, n);
  if (!copy) return lb_fail_nomem(err);
  put_field(option, copy, target);
  return LB_OK;
}

/* A truth value for a LEVEL: it is stored as a word, whatever the choices are. */
static int set_level_truth(const lb_option *option, bool truth, void *target, lb_error *err)
{
  lb_option any = *option;
  any.choices = NULL;
  const char *word = truth ? "true" : "false";
  return set_text(&any, word, strlen(word), target, err);
}

static int set_list_of_one(const lb_option *option, const char *text, void *target, lb_error *err)
{
  lb_buf array = { 0 };
  if (!*text) return fail_value(option, err);
  lb_buf_text(&array, "[");
  lb_json_put_item(&array, text);
  lb_buf_text(&array, "]");
  char *taken = lb_buf_take(&array);
  if (!taken) return lb_fail_nomem(err);
  put_field(option, taken, target);
  return LB_OK;
}

static int count_text(void *ctx, const char *text, lb_error *err)
{
  ++*(int64_t *)ctx;
  return *text ? LB_OK : lb_fail(err, LB_MISUSE, "an empty text");
}

static int set_list(const lb_option *option, lb_json *json, const char *array, void *target, lb_error *err)
{
  lb_error own = LB_ERROR_INIT;
  int64_t count = 0;
  char *copy = NULL;
  if (lb_json_each_text(json, array, count_text, &count, &own)) {
    return own.code == LB_MISUSE ? fail_value(option, err) : lb_fail(err, own.code, "%s", own.message);
  }
  if (count < option->min) return fail_value(option, err);
  if (count && !(copy = strdup(array))) return lb_fail_nomem(err);
  put_field(option, copy, target);
  return LB_OK;
}

/* ---- from JSON ---- */

typedef struct parse {
  lb_json *json;
  const lb_option *known;
  void *target;
  bool in_member;  /* an error is about one option, and names it */
} parse;

/* SQLite has no booleans of its own: json_object('overwrite', 1) is what SQL makes of a true one. */
static bool is_truth(const lb_json_member *m, bool *truth)
{
  bool number = m->type == LB_JSON_INTEGER && (m->integer == 0 || m->integer == 1);
  *truth = m->type == LB_JSON_TRUE || (number && m->integer == 1);
  return number || m->type == LB_JSON_TRUE || m->type == LB_JSON_FALSE;
}

static int take_member(void *ctx, const lb_json_member *m, lb_error *err)
{
  parse *p = ctx;
  p->in_member = true;
  const lb_option *o = p->known;
  while (o->name && strcmp(o->name, m->key) != 0) o++;
  if (!o->name) return fail_unknown(p->known, m->key, err);
  if (m->type == LB_JSON_NULL) return LB_OK;
  bool truth;
  switch (o->kind) {
  case LB_OPTION_INT:
    return m->type == LB_JSON_INTEGER ? set_int(o, m->integer, p->target, err) : fail_value(o, err);
  case LB_OPTION_BOOL:
    return is_truth(m, &truth) ? set_bool(o, truth, p->target) : fail_value(o, err);
  case LB_OPTION_LEVEL:
    if (is_truth(m, &truth)) return set_level_truth(o, truth, p->target, err);
    /* fall through */
  case LB_OPTION_TEXT:
    return m->type == LB_JSON_TEXT ? set_text(o, m->text, m->text_len, p->target, err) : fail_value(o, err);
  case LB_OPTION_LIST:
    if (m->type == LB_JSON_ARRAY) return set_list(o, p->json, m->text, p->target, err);
    return m->type == LB_JSON_TEXT ? set_list_of_one(o, m->text, p->target, err) : fail_value(o, err);
  }
  return LB_OK;
}

int lb_options_parse(lb_json *json, const char *text, const lb_option *known, void *target, lb_error *err)
{
  if (!text || !*text) return err->code;
  if (err->code != LB_OK) return err->code;
  parse p = { json, known, target, false };
  lb_json_each(json, text, take_member, &p, err);
  return err->code == LB_MISUSE && !p.in_member ? fail_shape(known, err) : err->code;
}

/* ---- from text ---- */

static bool text_truth(const char *text, bool *truth)
{
  static const char *const yes[] = { "on", "true", "1", "yes" }, *const no[] = { "off", "false", "0", "no" };
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++) {
    *truth = strcmp(text, yes[i]) == 0;
    if (*truth || strcmp(text, no[i]) == 0) return true;
  }
  return false;
}

static int set_int_text(const lb_option *option, const char *text, void *target, lb_error *err)
{
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  /* strtoll would skip blanks and take an empty text for 0. */
  bool digit_first = (*text >= '0' && *text <= '9') || *text == '-';
  if (!digit_first || *end || end == text || errno) return fail_value(option, err);
  return set_int(option, value, target, err);
}

int lb_option_set(const lb_option *option, const char *text, void *target, lb_error *err)
{
  bool truth;
  switch (option->kind) {
  case LB_OPTION_INT:
    return set_int_text(option, text, target, err);
  case LB_OPTION_BOOL:
    return text_truth(text, &truth) ? set_bool(option, truth, target) : fail_value(option, err);
  case LB_OPTION_LEVEL:
    if (text_truth(text, &truth)) return set_level_truth(option, truth, target, err);
    /* fall through */
  case LB_OPTION_TEXT:
    return set_text(option, text, strlen(text), target, err);
  case LB_OPTION_LIST:
    return set_list_of_one(option, text, target, err);
  }
  return LB_OK;
}

void lb_options_free(const lb_option *known, void *target)
{
  for (const lb_option *o = known; o->name; o++) {
    if (o->kind == LB_OPTION_INT || o->kind == LB_OPTION_BOOL) continue;
    put_field(o, NULL, target);
  }
}
