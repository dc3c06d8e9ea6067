/* See replication.h. The catalogues are asked for columns that everybody may read; both are shared by all databases. */
#include "postgres/replication.h"

#include "postgres/quote.h"

/* $1: a database. Row: name, slot (NULL: none) */
#define SUBSCRIPTIONS "SELECT s.subname, s.subslotname FROM pg_catalog.pg_subscription s" \
  " JOIN pg_catalog.pg_database d ON d.oid = s.subdbid AND d.datname = $1"
#define WITH_SLOTS SUBSCRIPTIONS " WHERE s.subslotname IS NOT NULL ORDER BY s.subname"

static PGresult *query(lb_pg *pg, const char *sql, const char *database, lb_error *err)
{
  return lb_pg_query(pg, err, sql, 1, &database);
}

static void begin_note(lb_buf *notes)
{
  lb_buf_text(notes, notes->len ? "\n" : "");
}

static void put_shown(lb_buf *out, const char *name)
{
  lb_buf_text(out, "\"");
  lb_pg_put_comment(out, name);
  lb_buf_text(out, "\"");
}

static void put_alter(lb_buf *out, const char *subscription, const char *what)
{
  lb_buf_text(out, "ALTER SUBSCRIPTION ");
  lb_pg_put_identifier(out, subscription);
  lb_buf_printf(out, " %s", what);
}

static void put_drop(lb_buf *out, const char *subscription)
{
  lb_buf_text(out, "DROP SUBSCRIPTION ");
  lb_pg_put_identifier(out, subscription);
}

static int run(lb_pg *pg, lb_buf *sql, lb_error *err)
{
  if (sql->failed) lb_fail_nomem(err);
  else lb_pg_exec(pg, sql->data, err);
  sql->len = 0;
  return err->code;
}

/* How a subscription goes while its slot stays. */
static void put_drop_without_slot(lb_buf *out, const char *subscription)
{
  put_alter(out, subscription, "DISABLE; ");
  put_alter(out, subscription, "SET (slot_name = NONE); ");
  put_drop(out, subscription);
}

/* ---- loading ---- */

static void note_detached(lb_buf *notes, const char *name, const char *slot)
{
  begin_note(notes);
  lb_buf_text(notes, "subscription ");
  put_shown(notes, name);
  lb_buf_text(notes, " has no slot here: ");
  put_shown(notes, slot);
  lb_buf_text(notes, " on its publisher is that of the database that was backed up (once that one does not use it any "
                     "more: ");
  put_alter(notes, name, "SET (slot_name = ");
  lb_pg_put_literal(notes, slot);
  lb_buf_text(notes, "); ");
  put_alter(notes, name, "ENABLE; ");
  put_alter(notes, name, "REFRESH PUBLICATION WITH (copy_data = false))");
}

int lb_pg_subscriptions_detach(lb_pg *pg, lb_buf *notes, lb_error *err)
{
  lb_buf sql = { 0 };
  if (lb_pg_exec(pg, "SET search_path TO ''", err)) return err->code;
  PGresult *rows = query(pg, SUBSCRIPTIONS " WHERE s.subslotname IS NOT NULL AND NOT s.subenabled", pg->database, err);
  for (int i = 0; i < PQntuples(rows) && !err->code; i++) {
    const char *name = PQgetvalue(rows, i, 0);
    put_alter(&sql, name, "SET (slot_name = NONE)");
    if (run(pg, &sql, err) == LB_OK && notes) note_detached(notes, name, PQgetvalue(rows, i, 1));
  }
  if (notes && notes->failed) lb_fail_nomem(err);
  lb_buf_free(&sql);
  PQclear(rows);
  return err->code;
}

/* ---- dropping ---- */

int lb_pg_subscriptions_refuse(lb_pg *pg, lb_error *err)
{
  PGresult *rows = query(pg, WITH_SLOTS, pg->database, err);
  if (PQntuples(rows) > 0) {
    lb_buf shown = { 0 }, advice = { 0 };
    put_shown(&shown, PQgetvalue(rows, 0, 0));
    lb_buf_text(&shown, " uses the slot ");
    put_shown(&shown, PQgetvalue(rows, 0, 1));
    put_drop_without_slot(&advice, PQgetvalue(rows, 0, 0));
    lb_fail(err, LB_UNSUPPORTED, "%s: subscription %s on its publisher and cannot be dropped inside a transaction "
            "(drop it first, so that the slot stays as it is: %s; or pass {\"mode\":\"swap\"}, which keeps it in the "
            "old database)", pg->label, shown.data ? shown.data : "", advice.data ? advice.data : "");
    lb_buf_free(&shown);
    lb_buf_free(&advice);
  }
  PQclear(rows);
  return err->code;
}

/* Each statement outside of a transaction: DISABLE has to be seen by the worker that DROP waits for. */
static int drop_one(lb_pg *pg, const char *name, lb_error *err)
{
  lb_buf sql = { 0 };
  put_alter(&sql, name, "DISABLE");
  if (run(pg, &sql, err) == LB_OK) {
    put_alter(&sql, name, "SET (slot_name = NONE)");
    run(pg, &sql, err);
  }
  if (!err->code) {
    put_drop(&sql, name);
    run(pg, &sql, err);
  }
  lb_buf_free(&sql);
  return err->code;
}

int lb_pg_subscriptions_drop(lb_pg *maintenance, const char *database, int *dropped, lb_error *err)
{
  lb_task deaf = { 0 }, *task = maintenance->task;
  maintenance->task = &deaf;
  PGresult *rows = query(maintenance, SUBSCRIPTIONS, database, err);
  lb_pg *pg = PQntuples(rows) > 0 ? lb_pg_open_again(maintenance, database, err) : NULL;
  *dropped = 0;
  for (int i = 0; pg && i < PQntuples(rows); i++) {
    if (drop_one(pg, PQgetvalue(rows, i, 0), err)) break;
    ++*dropped;
  }
  lb_pg_close(pg);
  PQclear(rows);
  maintenance->task = task;
  return err->code;
}

bool lb_pg_subscriptions_any(lb_pg *maintenance, const char *database, lb_error *err)
{
  PGresult *rows = query(maintenance, SUBSCRIPTIONS, database, err);
  bool any = PQntuples(rows) > 0;
  PQclear(rows);
  return any;
}

/* ---- what an exchange leaves behind ---- */

static void note_slot(lb_buf *notes, const char *slot, const char *plugin, const char *database, bool dropped)
{
  begin_note(notes);
  lb_buf_text(notes, "logical replication slot ");
  put_shown(notes, slot);
  lb_buf_printf(notes, " (%s) %s with the old database", plugin, dropped ? "was dropped" : "stays");
  if (!dropped) {
    lb_buf_text(notes, " ");
    put_shown(notes, database);
  }
  lb_buf_text(notes, ": its subscribers get nothing more (make them a slot in the new database, and copy the tables "
                     "again");
  if (!dropped) {
    lb_buf_text(notes, "; then drop this one, which keeps WAL on the server: SELECT pg_drop_replication_slot(");
    lb_pg_put_literal(notes, slot);
    lb_buf_text(notes, ")");
  }
  lb_buf_text(notes, ")");
}

static void note_subscription(lb_buf *notes, const char *name, const char *slot, const char *database, bool dropped)
{
  begin_note(notes);
  lb_buf_text(notes, "subscription ");
  put_shown(notes, name);
  if (dropped) {
    lb_buf_text(notes, " was dropped with the old database; its slot ");
    put_shown(notes, slot);
    lb_buf_text(notes, " stays on the publisher and keeps WAL there (attach one of the new database to it, or drop it "
                       "there: SELECT pg_drop_replication_slot(");
    lb_pg_put_literal(notes, slot);
    lb_buf_text(notes, "))");
    return;
  }
  lb_buf_text(notes, " stays with the old database ");
  put_shown(notes, database);
  lb_buf_text(notes, ", and so does its slot ");
  put_shown(notes, slot);
  lb_buf_text(notes, " on the publisher: the new one gets nothing (to give the slot free, there: ");
  put_drop_without_slot(notes, name);
  lb_buf_text(notes, ")");
}

int lb_pg_replication_notes(lb_pg *maintenance, const char *database, bool dropped, lb_buf *notes, lb_error *err)
{
  PGresult *slots = query(maintenance, "SELECT slot_name, plugin FROM pg_catalog.pg_replication_slots"
                          " WHERE database = $1 ORDER BY slot_name", database, err);
  for (int i = 0; i < PQntuples(slots); i++) {
    note_slot(notes, PQgetvalue(slots, i, 0), PQgetvalue(slots, i, 1), database, dropped);
  }
  PQclear(slots);
  if (err->code) return err->code;
  PGresult *rows = query(maintenance, WITH_SLOTS, database, err);
  for (int i = 0; i < PQntuples(rows); i++) {
    note_subscription(notes, PQgetvalue(rows, i, 0), PQgetvalue(rows, i, 1), database, dropped);
  }
  PQclear(rows);
  return notes->failed ? lb_fail_nomem(err) : err->code;
}
