/* The version of Lifeboat, and the oldest SQLite it loads into. */
#ifndef LB_CORE_VERSION_H
#define LB_CORE_VERSION_H

#define LB_VERSION "0.1.0"
#define LB_SQLITE_OLDEST 3040000
#define LB_SQLITE_OLDEST_TEXT "3.40.0"

#endif
