/* What the declaration of a virtual table says: its module, and of a full-text table the one that holds its content.
**
**     CREATE VIRTUAL TABLE notes_fts USING fts5(title, body, content='notes', content_rowid='id')
**
** Pure; the text is hostile. Source: sqlite.org/fts5.html, section 4.4, and sqlite.org/fts3.html, section 6.2.
*/
#ifndef LB_SQLITE_VIRTUAL_H
#define LB_SQLITE_VIRTUAL_H

#include <stdbool.h>

#include "core/error.h"

typedef struct lb_virtual {
  char *module;      /* as written; NULL: the text is no such declaration */
  char *content;     /* a table or view, of fts3, fts4 and fts5; NULL: it names none, or is contentless */
} lb_virtual;

int lb_virtual_read(const char *sql, lb_virtual *v, lb_error *err);
void lb_virtual_free(lb_virtual *v);

#endif
