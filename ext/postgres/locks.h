/* How many entries of the server's lock table the statements of a script take when they are executed in one
** transaction. A lock stays until the transaction ends, and an object has one entry however often it is locked.
**
** An upper bound, from the statements' text alone. What CREATE makes counts at once, although many a kind is locked
** only when it gets an owner or a comment (or, from PostgreSQL 18 on, privileges): the statements that do so count
** nothing then. Not known: what an extension's own script does, and functions that the script calls.
*/
#ifndef LB_POSTGRES_LOCKS_H
#define LB_POSTGRES_LOCKS_H

#include "postgres/statement.h"

typedef struct lb_pg_locks {
  uint64_t made;
  uint64_t granted;  /* what privileges are given on, but for relations and large objects: from PostgreSQL 18 on a lock
                     ** each, which `made` has only if the script makes the object: members of extensions are not */
  uint64_t last;     /* a hash of the last one: pg_dump writes all of an object's one behind the other */
} lb_pg_locks;

void lb_pg_locks_add(lb_pg_locks *locks, const char *sql, size_t len, const lb_statement *st);

/* Of all, on a server of this version (PQserverVersion). */
uint64_t lb_pg_locks_sum(const lb_pg_locks *locks, int version);

#endif
