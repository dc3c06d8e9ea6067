/* The `options` argument of every function: a JSON object read into a struct by a table of what is known.
**
** An unknown key, a wrong type, or a value out of range is LB_MISUSE; the message names the key and what is valid.
**
**     static const lb_option known[] = {
**       { "level", LB_OPTION_INT, offsetof(options, level), 1, 22, NULL },
**       { "compress", LB_OPTION_TEXT, offsetof(options, compress), 0, 0, "gzip|zstd" },
**       { NULL },
**     };
*/
#ifndef LB_CORE_OPTIONS_H
#define LB_CORE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/json.h"

typedef enum lb_option_kind {
  LB_OPTION_INT,    /* field: int64_t; from min to max */
  LB_OPTION_BOOL,   /* field: int, 0 or 1 */
  LB_OPTION_TEXT,   /* field: char *, allocated; any text but an empty one, or one of `choices` */
  LB_OPTION_LEVEL,  /* field: char *, allocated; one of `choices`, or true and false as "true" and "false" */
  LB_OPTION_LIST    /* field: char *, allocated; a JSON array of texts that are not empty (lb_json_each_text reads it).
                    ** One text becomes an array of it; an array without any makes the field NULL, as if not given, or
                    ** with min 1 is an error */
} lb_option_kind;

typedef struct lb_option {
  const char *name;      /* NULL ends a table */
  lb_option_kind kind;
  size_t offset;         /* of the field in the struct */
  int64_t min, max;      /* of LB_OPTION_INT; min of LB_OPTION_LIST: 1 where an empty one is an error */
  const char *choices;   /* "a|b|c", or NULL */
} lb_option;

/* Reads json (NULL or "": nothing) into the struct at target. Fields that are not named keep what they had. A null
** value leaves its field alone too. Texts that are replaced are freed. */
int lb_options_parse(lb_json *json, const char *text, const lb_option *known, void *target, lb_error *err);

/* Sets one field from text, as the environment and backup_set give it ("on", "true", "1" for a bool; one text of a
** list). */
int lb_option_set(const lb_option *option, const char *text, void *target, lb_error *err);

/* Frees the texts of the struct at target and makes them NULL. */
void lb_options_free(const lb_option *known, void *target);

#endif
