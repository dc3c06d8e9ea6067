/* What kind of statement an SQL text is, as far as loading a dump must know: who owns, who is granted, which settings,
** which index on which table.
**
** It knows the forms that pg_dump writes, by their tokens (so that nothing inside a string, a quoted name, a comment or
** parentheses is taken for a word of the statement); whatever it does not know is LB_STATEMENT_OTHER, which is always
** safe: such a statement is executed as it stands, in its order. Nothing is allocated: spans point into the text.
** It does not check syntax; the server does. Source: PostgreSQL's manual, "Lexical Structure" and "SQL Commands".
*/
#ifndef LB_POSTGRES_STATEMENT_H
#define LB_POSTGRES_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "postgres/tokens.h"

typedef enum lb_statement_kind {
  LB_STATEMENT_OTHER,
  LB_STATEMENT_SET,            /* SET name = …, SET name TO …; name: the setting */
  LB_STATEMENT_SESSION,        /* set_config(…) in a SELECT of its own, RESET, SET without a setting's name */
  LB_STATEMENT_AUTHORIZATION,  /* SET and RESET SESSION AUTHORIZATION: around grants that somebody else made */
  LB_STATEMENT_BEGIN,          /* BEGIN, START TRANSACTION without options */
  LB_STATEMENT_COMMIT,         /* COMMIT, END without options */
  LB_STATEMENT_CONTROL,        /* any other transaction control */
  LB_STATEMENT_DATABASE,       /* on a database itself: CREATE, ALTER, DROP, COMMENT, GRANT … ON DATABASE, ALTER ROLE …
                               ** IN DATABASE */
  LB_STATEMENT_OWNER,          /* ALTER … OWNER TO */
  LB_STATEMENT_PRIVILEGE,      /* GRANT and REVOKE … ON …, ALTER DEFAULT PRIVILEGES */
  LB_STATEMENT_ROLE,           /* CREATE ROLE, also as a backup of ours wraps it in DO; name */
  LB_STATEMENT_ROLE_CHANGE,    /* ALTER ROLE; name */
  LB_STATEMENT_MEMBERSHIP,     /* GRANT … TO one role; name: the member */
  LB_STATEMENT_POLICY,         /* CREATE POLICY … TO, CREATE USER MAPPING FOR a role; COMMENT ON POLICY */
  LB_STATEMENT_EXTENSION,      /* CREATE and COMMENT ON EXTENSION; name */
  LB_STATEMENT_SCHEMA,         /* CREATE SCHEMA and nothing but its name */
  LB_STATEMENT_SCHEMA_COMMENT, /* COMMENT ON SCHEMA; name */
  LB_STATEMENT_RELATION,       /* CREATE TABLE, VIEW, SEQUENCE … and large objects: makes what takes a lock */
  LB_STATEMENT_SETVAL,         /* SELECT setval('sequence', …); table: the sequence */
  LB_STATEMENT_INSERT,         /* INSERT INTO: pg_dump --inserts; table */
  LB_STATEMENT_DROP,           /* DROP, ALTER TABLE and DOMAIN … DROP, lo_unlink: what pg_dump --clean begins with;
                               ** name: of an extension or a schema, else empty */
  LB_STATEMENT_REFRESH,        /* REFRESH MATERIALIZED VIEW */
  LB_STATEMENT_INDEX,          /* CREATE [UNIQUE] INDEX; name, table */
  LB_STATEMENT_KEY,            /* ALTER TABLE … ADD CONSTRAINT name PRIMARY KEY or UNIQUE; table */
  LB_STATEMENT_FOREIGN_KEY,    /* … FOREIGN KEY; table and referenced */
  LB_STATEMENT_FOLLOWER        /* what pg_dump writes behind an index or a constraint: its COMMENT, ALTER INDEX (but not
                               ** ATTACH), CLUSTER ON, REPLICA IDENTITY */
} lb_statement_kind;

typedef struct lb_statement {
  lb_statement_kind kind;
  lb_span name;
  lb_qualified table, referenced;
  lb_span columns;     /* of KEY: (…) */
  bool primary;        /* of KEY */
  bool plain;          /* of KEY: (columns) and nothing behind it */
  bool placeholder;    /* of RELATION: CREATE OR REPLACE VIEW … AS SELECT NULL…, which reads nothing */
  bool schema;         /* of DROP: name is a schema's */
  bool is_off;         /* of SET: the value is off, false, no or 0 */
} lb_statement;

void lb_statement_read(const char *sql, size_t len, lb_statement *st);

/* COPY table [(columns)] FROM …: the table, and the list with its parentheses, of length 0 where there is none. false:
** another statement. */
bool lb_statement_copy(const char *sql, size_t len, lb_qualified *table, lb_span *columns);

/* The names in a list in parentheses, each as it stands; false: something else is in it, or take said no. */
bool lb_statement_names(lb_span list, bool (*take)(void *ctx, lb_span name), void *ctx);

/* The roles that a statement names: owner, grantees, grantor, of policies and user mappings. PUBLIC, CURRENT_USER and
** their like are left out. name: as by lb_span_name. */
void lb_statement_roles(const char *sql, size_t len, void (*take)(void *ctx, lb_span name), void *ctx);

/* Of these, those whose objects ALTER DEFAULT PRIVILEGES FOR ROLE is about. */
void lb_statement_defaults(const char *sql, size_t len, void (*take)(void *ctx, lb_span name), void *ctx);

/* The tablespace that has to be there for it: of SET default_tablespace = …, and at the end of CREATE TABLE and INDEX.
** name: as by lb_span_name. false: none, or the default one. */
bool lb_statement_tablespace(const char *sql, size_t len, lb_span *name);

/* LOGGED in ALTER TABLE … ADD GENERATED … AS IDENTITY (SEQUENCE NAME … LOGGED …). false: it is not there. */
bool lb_statement_logged(const char *sql, size_t len, lb_span *word);

/* "statement at byte N (CREATE TABLE public.x (…)": at most 80 bytes of it, on one line, UTF-8; cut before the first
** string, which may be a password. */
void lb_statement_describe(const char *sql, size_t len, uint64_t offset, lb_buf *out);

#endif
