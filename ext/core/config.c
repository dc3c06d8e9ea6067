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
  [LB_CONFIG_LEVEL] = { "level", NULL, NULL, NULL, true, 1, 22, "compression level; without one: the codec's default" },
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
    if (strncmp(at, value, n) == 0 && (at[n] == '|' || at[n] == 0)) return true;
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

/* RFC 3986: scheme://user:password@host/path?query. The userinfo ends at the last '@' before the path. */
char *lb_config_scrub_url(const char *url, lb_error *err)
{
  lb_buf out = { 0 };
  const char *authority = strstr(url, "://");
  authority = authority ? authority + 3 : url;
  size_t length = strcspn(authority, "/?#");
  const char *at = memrchr(authority, '@', length);
  const char *colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
  lb_buf_append(&out, url, colon ? (size_t)(colon - url) : (size_t)(authority - url));
  const char *rest = colon ? at : authority;
  while (*rest) {
    if ((*rest == '?' || *rest == '&') &&
        (strncasecmp(rest + 1, "password=", 9) == 0 || strncasecmp(rest + 1, "sslpassword=", 12) == 0)) {
      const char *end = rest + 1 + strcspn(rest + 1, "&");
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
