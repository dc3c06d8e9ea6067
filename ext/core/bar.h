/* The progress bar: one line on standard error, drawn over itself.
**
**   create admin.db: compressing [##########..........]  52%  412.0 MB/s  eta 2 s
**
** It never gets wider than the terminal: a line that wraps cannot be drawn over, and each one would push up what stands
** above it. It is wiped with blanks, which every terminal knows; TERM=dumb has no sequence for that.
*/
#ifndef LB_CORE_BAR_H
#define LB_CORE_BAR_H

#include <stdbool.h>

#include "core/task.h"

enum { LB_BAR_BYTES = 320 };

/* Writes the line for `a` into line, of at most `columns` columns (0: no limit), and returns how many it has. What
** gives way first is the subject, then the bar, then the end. The subject is anybody's text: control characters, which
** could rewrite the terminal, and what is no UTF-8 become '?'. */
int lb_bar_compose(const lb_activity *a, int columns, char line[LB_BAR_BYTES]);

/* Draws `a` over what the last call drew (*drawn columns, 0 at first). false: nobody listens. */
bool lb_bar_draw(const lb_activity *a, int *drawn);
void lb_bar_wipe(int *drawn);

#endif
