/* Settings in layers: default, then the environment, then backup_set() on this connection. Options of a call come
** on top of these, in ext/job. An empty environment variable counts as not set.
*/
#ifndef LB_CORE_CONFIG_H
#define LB_CORE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef enum lb_config_key {
  LB_CONFIG_DIR, LB_CONFIG_RETENTION_DAYS, LB_CONFIG_DB_TYPE, LB_CONFIG_DB_PATH, LB_CONFIG_DATABASE_URL, LB_CONFIG_NAME,
  LB_CONFIG_COMPRESS, LB_CONFIG_LEVEL, LB_CONFIG_THREADS, LB_CONFIG_TIMEOUT_MS, LB_CONFIG_PROGRESS, LB_CONFIG_BACKUP,
  LB_CONFIG_TARGET, LB_CONFIG_RESTORE_OPTIONS, LB_CONFIG_CACHE_MB, LB_CONFIG_COUNT
} lb_config_key;

typedef struct lb_config {
  char *set[LB_CONFIG_COUNT];  /* by backup_set; NULL: not set */
} lb_config;

/* The value in force; NULL where there is none. Valid until the setting or the environment changes. */
const char *lb_config_text(const lb_config *config, lb_config_key key);

/* The same as a number; fails naming the setting, or the environment variable it came from, when it is none. Settings
** without a value give `missing`. */
int lb_config_integer(const lb_config *config, lb_config_key key, int64_t missing, int64_t *value, lb_error *err);

bool lb_config_is_on(const lb_config *config, lb_config_key key);

const char *lb_config_name(lb_config_key key);
const char *lb_config_origin(const lb_config *config, lb_config_key key);  /* "default", "env", "sql" */
const char *lb_config_description(lb_config_key key);

/* backup_set: checks key and value. value NULL: back to environment or default. */
int lb_config_set(lb_config *config, const char *key, const char *value, lb_error *err);
void lb_config_free(lb_config *config);

/* Whether text is a postgresql:// or postgres:// URI, in whatever case. */
bool lb_config_is_uri(const char *text);

/* Whether text was meant for the address of a server, though it is no such URI: "host=db password=secret",
** "postgresql//app:secret@db/x". It must not be shown. A path that begins with '/' or '.' is a path. */
bool lb_config_is_address(const char *text);

/* "postgresql://app:secret@db/x" becomes "postgresql://app@db/x", also for a password in the query. In a URL that is
** not well formed rather more is left out than too little, and of key=value nothing is shown. Allocated. */
char *lb_config_scrub_url(const char *url, lb_error *err);

#endif
