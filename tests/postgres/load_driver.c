/* Loads a plain SQL file through ext/postgres/load.h, as a backup or as another tool's script, for load.bats.
**
**     load_driver MODE URI FILE [jobs=N] [no_owner] [no_privileges] [interrupt=BYTES] [fail=BYTES] [run=BYTES:COMMAND]
**                 [large_blocks]
**
** MODE: serial, transaction (rolled back when it fails), parallel, foreign (in a transaction, without a table of contents),
** survey, check, analyze. FILE.parts says what lies where (load_parts.py makes both): a line per part: kind, schema, table,
** rows, bytes, separated by tabs. A block is at most 16 KiB of one part (large_blocks:
** 256 KiB). What happens at BYTES happens once so many were
** handed out. Prints what the call reports; an error goes to standard error, with status 1.
*/
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "postgres/load.h"
#include "postgres/survey.h"

#define BLOCK_BYTES_MAX 262144

static uint64_t block_bytes = 16384;

typedef struct file_source {
  lb_source source;
  char *text;
  size_t size;
  uint64_t *offsets;   /* of blocks; one more at the end */
  uint64_t blocks, handed_out;
  int64_t interrupt, fail, run;
  const char *command;
} file_source;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;  /* of how much was handed out */

static void fail_here(const char *what)
{
  fprintf(stderr, "load_driver: %s\n", what);
  exit(2);
}

static bool interrupted(void *ctx)
{
  file_source *s = ctx;
  pthread_mutex_lock(&mutex);
  bool now = s->interrupt >= 0 && s->handed_out >= (uint64_t)s->interrupt;
  pthread_mutex_unlock(&mutex);
  return now;
}

static int hand_out_locked(file_source *s, uint64_t n, lb_error *err)
{
  s->handed_out += n;
  if (s->fail >= 0 && s->handed_out >= (uint64_t)s->fail) return lb_fail(err, LB_CORRUPT, "the file is damaged here");
  if (s->run >= 0 && s->handed_out >= (uint64_t)s->run) {
    s->run = -1;
    if (system(s->command) != 0) return lb_fail(err, LB_ERROR, "the command failed");
  }
  return LB_OK;
}

/* Lanes call it from threads of their own. */
static int hand_out(file_source *s, uint64_t n, lb_error *err)
{
  pthread_mutex_lock(&mutex);
  int rc = hand_out_locked(s, n, err);
  pthread_mutex_unlock(&mutex);
  return rc;
}

/* It polls, as a backup's does: loading waits for nothing as long as the server is fast. */
static int stream(lb_source *source, lb_source_take take, void *ctx, lb_error *err)
{
  file_source *s = (file_source *)source;
  for (size_t at = 0; at < s->size && !err->code;) {
    size_t n = s->size - at < block_bytes ? s->size - at : block_bytes;
    if (interrupted(s)) lb_fail(err, LB_INTERRUPT, "interrupted");
    else if (hand_out(s, n, err) == LB_OK) take(ctx, s->text + at, n, err);
    at += n;
  }
  return err->code;
}

static int read_block(file_source *s, uint64_t number, unsigned char *buffer, size_t *n, lb_error *err)
{
  if (number >= s->blocks) return lb_fail(err, LB_ERROR, "no block %llu", (unsigned long long)number);
  *n = (size_t)(s->offsets[number + 1] - s->offsets[number]);
  memcpy(buffer, s->text + s->offsets[number], *n);
  return hand_out(s, *n, err);
}

/* As a reader does, it reuses its memory: what was handed out before is gone. */
static int block(lb_source *source, uint64_t number, const unsigned char **data, size_t *n, lb_error *err)
{
  static unsigned char buffer[BLOCK_BYTES_MAX];
  *data = buffer;
  return read_block((file_source *)source, number, buffer, n, err);
}

typedef struct file_range {
  lb_source_range base;
  file_source *source;
  uint64_t next, end;
  unsigned char buffer[BLOCK_BYTES_MAX];
} file_range;

static int read_range(lb_source_range *base, const unsigned char **data, size_t *n, lb_error *err)
{
  file_range *r = (file_range *)base;
  *n = 0;
  if (r->next == r->end) return LB_OK;
  *data = r->buffer;
  return read_block(r->source, r->next++, r->buffer, n, err);
}

static void close_range(lb_source_range *base)
{
  free(base);
}

static lb_source_range *range(lb_source *source, uint64_t first, uint64_t count, lb_error *err)
{
  file_range *r = malloc(sizeof *r);
  (void)err;
  if (!r) fail_here("memory");
  r->base = (lb_source_range){ read_range, close_range };
  r->source = (file_source *)source;
  r->next = first;
  r->end = first + count;
  return &r->base;
}

static void open_source(file_source *s, const char *path)
{
  FILE *file = fopen(path, "r");
  if (!file || fseek(file, 0, SEEK_END)) fail_here(path);
  s->size = (size_t)ftell(file);
  rewind(file);
  s->text = malloc(s->size + 1);
  if (!s->text || fread(s->text, 1, s->size, file) != s->size) fail_here(path);
  fclose(file);
  s->source.stream = stream;
  s->source.block = block;
  s->source.range = range;
  s->interrupt = s->fail = s->run = -1;
}

static int table_of(lb_pg_contents *c, const char *schema, const char *name, uint64_t rows, lb_error *err)
{
  int i = 0;
  while (i < c->table_count && (strcmp(c->tables[i].schema, schema) || strcmp(c->tables[i].name, name))) i++;
  if (i == c->table_count && lb_pg_contents_add_table(c, schema, name, &i, err)) fail_here(err->message);
  c->tables[i].rows += rows;
  return i;
}

static void add_blocks(file_source *s, lb_pg_part *part)
{
  part->block = s->blocks;
  part->blocks = (part->bytes + block_bytes - 1) / block_bytes;
  s->offsets = realloc(s->offsets, (size_t)(s->blocks + part->blocks + 1) * sizeof *s->offsets);
  if (!s->offsets) fail_here("memory");
  if (!s->blocks) s->offsets[0] = 0;
  for (uint64_t left = part->bytes; left;) {
    uint64_t n = left < block_bytes ? left : block_bytes;
    s->offsets[s->blocks + 1] = s->offsets[s->blocks] + n;
    s->blocks++;
    left -= n;
  }
}

static void read_parts(file_source *s, const char *path, lb_pg_contents *c, lb_error *err)
{
  char line[1024], name[1024], kind[32], schema[256], table[256];
  unsigned long long rows, bytes;
  snprintf(name, sizeof name, "%s.parts", path);
  FILE *file = fopen(name, "r");
  if (!file) fail_here(name);
  while (fgets(line, sizeof line, file)) {
    lb_pg_part part = { .kind = LB_PART_ROLES, .table = -1 };
    if (sscanf(line, "%31[^\t]\t%255[^\t]\t%255[^\t]\t%llu\t%llu", kind, schema, table, &rows, &bytes) != 5) fail_here(line);
    while (strcmp(lb_part_kind_text(part.kind), kind)) part.kind++;
    if (part.kind == LB_PART_DATA) part.table = table_of(c, schema, table, rows, err);
    part.rows = rows;
    part.bytes = bytes;
    add_blocks(s, &part);
    if (lb_pg_contents_add_part(c, &part, err)) fail_here(err->message);
  }
  fclose(file);
}

static void read_option(lb_pg_load *load, file_source *s, const char *option)
{
  if (strncmp(option, "jobs=", 5) == 0) load->jobs = atoi(option + 5);
  else if (strcmp(option, "no_owner") == 0) load->no_owner = true;
  else if (strcmp(option, "no_privileges") == 0) load->no_privileges = true;
  else if (strncmp(option, "interrupt=", 10) == 0) s->interrupt = atoll(option + 10);
  else if (strncmp(option, "fail=", 5) == 0) s->fail = atoll(option + 5);
  else if (strncmp(option, "run=", 4) == 0 && strchr(option, ':')) {
    s->run = atoll(option + 4);
    s->command = strchr(option, ':') + 1;
  } else if (strcmp(option, "large_blocks") != 0) fail_here(option);
}

static void survey(lb_pg_load *load, bool check, lb_error *err)
{
  lb_pg_survey v = { 0 };
  if (lb_pg_survey_read(load->source, load->contents, load->task, &v, err)) return;
  if (check) lb_pg_survey_check(&v, load->pg, load->no_owner, load->no_privileges, err);
  printf("roles");
  for (int i = 0; i < v.role_count; i++) printf(" [%s]", v.roles[i]);
  printf("\nextensions");
  for (int i = 0; i < v.extension_count; i++) printf(" [%s]", v.extensions[i]);
  printf("\nencoding %s\nfrom %s\nby %s\nrows %llu\nconnects %s\n", v.encoding, v.version, v.dump_version,
         (unsigned long long)v.rows, v.connects_to ? v.connects_to : "nowhere");
  lb_pg_survey_free(&v);
}

static void run(lb_pg_load *load, const char *mode, lb_error *err)
{
  bool inside = strcmp(mode, "transaction") == 0 || strcmp(mode, "foreign") == 0;
  if (strcmp(mode, "survey") == 0 || strcmp(mode, "check") == 0) {
    survey(load, *mode == 'c', err);
    return;
  }
  if (strcmp(mode, "analyze") == 0) {
    lb_pg_load_analyze(load, err);
    return;
  }
  if (inside && lb_pg_exec(load->pg, "BEGIN", err)) return;
  if (strcmp(mode, "parallel") == 0) lb_pg_load_parallel(load, err);
  else lb_pg_load_serial(load, err);
  if (inside && err->code) {
    lb_error ignored = LB_ERROR_INIT;
    lb_pg_exec(load->pg, "ROLLBACK", &ignored);
  } else if (inside) {
    lb_task deaf = { 0 };  /* as restores do: an interrupt at the COMMIT would be told of though all is there */
    load->pg->task = &deaf;
    lb_pg_exec(load->pg, "COMMIT", err);
    load->pg->task = load->task;
  }
  if (err->code && PQtransactionStatus(load->pg->conn) != PQTRANS_IDLE) printf("the connection was left busy\n");
  printf("statements %llu\nrows %llu\n", (unsigned long long)load->statements, (unsigned long long)load->rows);
}

int main(int argc, char **argv)
{
  lb_error err = LB_ERROR_INIT;
  lb_task task = { 0 };
  file_source s = { 0 };
  lb_pg_contents contents = { 0 };
  lb_buf notes = { 0 };
  if (argc < 4) fail_here("usage: load_driver MODE URI FILE [OPTION…]");
  lb_pg_load load = { .source = &s.source, .task = &task, .notes = &notes, .jobs = 1 };
  for (int i = 4; i < argc; i++) if (strcmp(argv[i], "large_blocks") == 0) block_bytes = BLOCK_BYTES_MAX;
  open_source(&s, argv[3]);
  if (strcmp(argv[1], "foreign") != 0) {
    read_parts(&s, argv[3], &contents, &err);
    load.contents = &contents;
  } else s.source.block = NULL;
  for (int i = 4; i < argc; i++) read_option(&load, &s, argv[i]);
  task.interrupted = interrupted;
  task.interrupted_ctx = &s;
  lb_task_begin(&task, "restore", argv[3]);
  load.pg = lb_pg_open(argv[2], &task, &err);
  if (load.pg) run(&load, argv[1], &err);
  lb_pg_close(load.pg);
  lb_task_end(&task);
  if (notes.len) printf("%s\n", notes.data);
  if (err.code) fprintf(stderr, "%d: %s\n", err.code, err.message);
  lb_buf_free(&notes);
  lb_pg_contents_free(&contents);
  free(s.offsets);
  free(s.text);
  return err.code ? 1 : 0;
}
