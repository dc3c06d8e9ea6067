/* See config.h. */
#include "core/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buffer.h"
#include "core/file.h"

typedef struct setting {
  const char *name, *variable, *fallback, *choices;
  bool number;
  int64_t min, max;
  const char *description;
} setting;

static const setting settings[LB_CONFIG_COUNT] = {
  [LB_CONFIG_DIR] = { "dir", "BACKUP_DIR", "/data/backups", NULL, false, 0, 0, "folder of backups" },
  [LB_CONFIG_RETENTION_DAYS] = { "retention_days", "RETENTION_DAYS", "7", NULL, true, 0, 36500,
                                 "backup_rotate removes backups older than this many days" },
  [LB_CONFIG_DB_TYPE] = { "db_type", "ADMIN_DB_TYPE", NULL, "sqlite|postgres", false, 0, 0,
                          "kind of the database that backup_create() and backup_restore() mean without arguments" },
  [LB_CONFIG_DB_PATH] = { "db_path", "ADMIN_DB_PATH", NULL, NULL, false, 0, 0, "path of that database, for sqlite" },
  [LB_CONFIG_DATABASE_URL] = { "database_url", "ADMIN_DATABASE_URL", NULL, NULL, false, 0, 0,
                               "URI of that database, for postgres (shown without its password)" },
  [LB_CONFIG_NAME] = { "name", "BACKUP_NAME", NULL, NULL, false, 0, 0,
                       "name of new backups; without one: the database's file name" },
  [LB_CONFIG_COMPRESS] = { "compress", NULL, "gzip", "gzip|zstd", false, 0, 0, "compression of new backups" },
  [LB_CONFIG_LEVEL] = { "level", NULL, NULL, NULL, true, 1, 19, "compression level; without one: the codec's default" },
  [LB_CONFIG_THREADS] = { "threads", NULL, NULL, NULL, true, 1, 64,
                          "compressing and decompressing threads; without a value: one a processor, at most 8" },
  [LB_CONFIG_TIMEOUT_MS] = { "timeout_ms", NULL, "5000", NULL, true, 0, 86400000,
                             "how long to wait for a lock, in milliseconds" },
  [LB_CONFIG_PROGRESS] = { "progress", NULL, "off", "on|off", false, 0, 0, "draw a progress bar on standard error" },
  [LB_CONFIG_BACKUP] = { "backup", "RESTORE_BACKUP", NULL, NULL, false, 0, 0,
                         "what backup_restore() restores without arguments" },
  [LB_CONFIG_TARGET] = { "target", "RESTORE_TARGET", NULL, NULL, false, 0, 0,
                         "where backup_restore() restores to without arguments; without one: db_path" },
  [LB_CONFIG_RESTORE_OPTIONS] = { "restore_options", "RESTORE_OPTIONS", NULL, NULL, false, 0, 0,
                                  "options of backup_restore() without arguments" },
  [LB_CONFIG_CACHE_MB] = { "cache_mb", NULL, "32", NULL, true, 1, 4096,
                           "memory for blocks of attached backups, in MiB, for the whole process: the last set wins" },
};

static const char *from_environment(lb_config_key key)
{
  const char *value = settings[key].variable ? getenv(settings[key].variable) : NULL;
  return value && value[0] ? value : NULL;
}

const char *lb_config_text(const lb_config *config, lb_config_key key)
{
  if (config->set[key]) return config->set[key];
  const char *value = from_environment(key);
  return value ? value : settings[key].fallback;
}

const char *lb_config_origin(const lb_config *config, lb_config_key key)
{
  return config->set[key] ? "sql" : from_environment(key) ? "env" : "default";
}

const char *lb_config_name(lb_config_key key) { return settings[key].name; }
const char *lb_config_description(lb_config_key key) { return settings[key].description; }

static bool is_choice(const char *value, const char *choices)
{
  size_t n = strlen(value);
  for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
    if (strcspn(at, "|") == n && memcmp(at, value, n) == 0) return true;
  }
  return false;
}

/* label: how the user knows this setting: "setting threads", "environment variable RETENTION_DAYS". */
static int check(const setting *s, const char *label, const char *value, int64_t *number, lb_error *err)
{
  if (s->choices && !is_choice(value, s->choices)) {
    return lb_fail(err, LB_MISUSE, "%s must be one of %s, not \"%s\"", label, s->choices, value);
  }
  if (!s->number) return LB_OK;
  char *end = NULL;
  long long n = strtoll(value, &end, 10);
  if (!value[0] || *end || n < s->min || n > s->max) {
    return lb_fail(err, LB_MISUSE, "%s must be a whole number from %lld to %lld, not \"%s\"", label, (long long)s->min,
                   (long long)s->max, value);
  }
  if (number) *number = n;
  return LB_OK;
}

int lb_config_integer(const lb_config *config, lb_config_key key, int64_t missing, int64_t *value, lb_error *err)
{
  const setting *s = &settings[key];
  const char *text = lb_config_text(config, key);
  char label[64];
  bool env = !config->set[key] && from_environment(key);
  snprintf(label, sizeof label, env ? "environment variable %s" : "setting %s", env ? s->variable : s->name);
  *value = missing;
  return text ? check(s, label, text, value, err) : (int)LB_OK;
}

bool lb_config_is_on(const lb_config *config, lb_config_key key)
{
  const char *text = lb_config_text(config, key);
  return text && strcmp(text, "on") == 0;
}

static int fail_unknown(const char *key, lb_error *err)
{
  lb_buf names = { 0 };
  for (int i = 0; i < LB_CONFIG_COUNT; i++) lb_buf_printf(&names, "%s%s", i ? ", " : "", settings[i].name);
  lb_fail(err, LB_MISUSE, "unknown setting \"%s\" (valid: %s)", key, names.data ? names.data : "");
  lb_buf_free(&names);
  return err->code;
}

int lb_config_set(lb_config *config, const char *key, const char *value, lb_error *err)
{
  for (int i = 0; i < LB_CONFIG_COUNT; i++) {
    if (strcmp(settings[i].name, key) != 0) continue;
    char label[64];
    snprintf(label, sizeof label, "setting %s", key);
    char *copy = NULL;
    if (value) {
      if (!value[0]) return lb_fail(err, LB_MISUSE, "%s is empty (pass NULL to unset it)", label);
      if (check(&settings[i], label, value, NULL, err)) return err->code;
      copy = lb_text_copy(value, err);
      if (!copy) return err->code;
    }
    free(config->set[i]);
    config->set[i] = copy;
    return LB_OK;
  }
  return fail_unknown(key, err);
}

void lb_config_free(lb_config *config)
{
  for (int i = 0; i < LB_CONFIG_COUNT; i++) free(config->set[i]);
  memset(config, 0, sizeof *config);
}

/* ---- passwords in URLs ---- */

bool lb_config_is_uri(const char *text)
{
  return strncasecmp(text, "postgres://", 11) == 0 || strncasecmp(text, "postgresql://", 13) == 0;
}

/* Whether text has `key=` in it, as libpq writes it: with spaces before the '=', or none. */
static bool has_key(const char *text, const char *key)
{
  for (const char *at = text; (at = strcasestr(at, key)); at++) {
    const char *end = at + strlen(key);
    if (end[strspn(end, " \t\r\n")] == '=') return true;
  }
  return false;
}

bool lb_config_is_address(const char *text)
{
  static const char *const keys[] = { "host", "hostaddr", "port", "dbname", "user", "service" };
  if (lb_config_is_uri(text) || text[0] == '/' || text[0] == '.' || strncasecmp(text, "file:", 5) == 0) return false;
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    size_t n = strlen(keys[i]);
    if (strncasecmp(text, keys[i], n) == 0 && text[n + strspn(text + n, " ")] == '=') return true;
  }
  const char *colon = strchr(text, ':');
  return has_key(text, "password") || (colon && strchr(colon, '@') && strchr(text, '/'));
}

/* Whether these bytes are hosts and ports, and nothing else: "db:5432,[::1]:5433". */
static bool is_hosts(const char *text, size_t n)
{
  bool in_port = false, in_bracket = false;
  for (size_t i = 0; i < n; i++) {
    if (text[i] == '[' || text[i] == ']') in_bracket = text[i] == '[';
    else if (in_bracket) continue;
    else if (text[i] == ':' || text[i] == ',') in_port = text[i] == ':';
    else if (in_port && (text[i] < '0' || text[i] > '9')) return false;
  }
  return true;
}

/* Where the query begins: a '?' before "name=". A password may have a bare '?' too. */
static const char *query_of(const char *text)
{
  static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_%0123456789";
  for (text = strchr(text, '?'); text; text = strchr(text + 1, '?')) {
    size_t n = strspn(text + 1, name);
    if (n > 0 && text[1 + n] == '=') return text;
  }
  return NULL;
}

/* The '@' that ends user and password, or NULL. In a URL that is not well formed, what stands before its last '@' may
** be a piece of a password ("u:pa/ss@host", "u:pa?ss@host"), and is taken for one. */
static const char *end_of_user(const char *authority)
{
  const char *query = query_of(authority);
  size_t n = query ? (size_t)(query - authority) : strlen(authority);
  const char *at = memrchr(authority, '@', n);
  const char *host = at ? at + 1 : authority;
  size_t left = n - (size_t)(host - authority), length = strcspn(host, "/?#");
  return is_hosts(host, length < left ? length : left) ? at : memrchr(authority, '@', strlen(authority));
}

/* Whether a parameter's name, which may be percent-encoded, is one of a secret. text is behind the '?' or '&'. */
static bool is_secret(const char *text)
{
  static const char *const names[] = { "password", "sslpassword", "oauth_client_secret", "scram_client_key",
                                       "scram_server_key" };
  char name[32];
  size_t n = 0;
  for (; *text && *text != '=' && *text != '&' && n < sizeof name - 1; text++) {
    unsigned int byte;
    if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1 && text[2]) {
      name[n++] = (char)byte;
      text += 2;
    } else {
      name[n++] = *text;
    }
  }
  name[n] = 0;
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcasecmp(name, names[i]) == 0) return true;
  }
  return false;
}

/* RFC 3986: scheme://user:password@host/path?query. */
char *lb_config_scrub_url(const char *url, lb_error *err)
{
  lb_buf out = { 0 };
  if (!lb_config_is_uri(url) && has_key(url, "password")) return lb_text_copy("(not shown)", err);
  const char *authority = strstr(url, "://");
  authority = authority ? authority + 3 : url;
  const char *at = end_of_user(authority);
  const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
  lb_buf_append(&out, url, colon ? (size_t)(colon - url) : (size_t)(authority - url));
  const char *rest = colon ? at : authority;
  while (*rest) {
    if ((*rest == '?' || *rest == '&') && is_secret(rest + 1)) {
      const char *end = rest + 1 + strcspn(rest + 1, "&");
      /* The next parameter takes its place, and may be a secret as well. */
      while (*rest == '?' && *end == '&' && is_secret(end + 1)) end += 1 + strcspn(end + 1, "&");
      if (*rest == '?' && *end == '&') lb_buf_text(&out, "?"), end++;
      rest = end;
    } else {
      lb_buf_append(&out, rest++, 1);
    }
  }
  char *text = lb_buf_take(&out);
  if (!text) lb_fail_nomem(err);
  return text;
}
