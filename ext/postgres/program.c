/* See program.h.
**
** The child's ends of all pipes are moved above descriptor 9 first, so that laying out 0, 1, 2 and 9 can never
** overwrite one that is still needed, whatever a host has closed. Nothing but those four is inherited.
**
** A host may ignore SIGCHLD or reap every child of the process: that a child is gone is then told by ECHILD, and its
** exit status is lost. No wait here is for "any child", and none blocks.
*/
#include "postgres/program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "postgres/environment.h"
#include "postgres/tools.h"

#define PASSFILE_FD 9
#define PIPE_BYTES (1 << 20)
#define POLL_MS 100
#define TERM_SECONDS 2.0   /* between SIGTERM and SIGKILL, and after that */
#define WORDS_MAX 2048     /* of standard error: the last ones */
#define LINE_MAX_KEPT 400  /* of each line of it */
#define TAIL_MAX 1024      /* of output, to find the completion line in */

struct lb_pg_program {
  lb_task *task;
  char *name;              /* pg_dump */
  pid_t pid;               /* 0: gone */
  bool status_known;
  int status;              /* as waitpid gives it */
  int out, err;            /* our ends; -1: closed */
  bool is_dump;            /* must end with its completion line */
  size_t line;             /* bytes of standard error's current line */
  lb_buf words, tail;
};

/* ---- starting ---- */

/* A pipe whose reading end does not block; the other one is above PASSFILE_FD. */
static int open_pipe(int ends[2], lb_error *err)
{
  int fds[2];
  if (pipe2(fds, O_CLOEXEC)) return lb_fail_errno(err, errno, "a pipe for a child process");
  ends[0] = fds[0];
  ends[1] = fcntl(fds[1], F_DUPFD_CLOEXEC, PASSFILE_FD + 1);
  int errnum = errno;
  close(fds[1]);
  if (ends[1] < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK)) {
    return lb_fail_errno(err, ends[1] < 0 ? errnum : errno, "a pipe for a child process");
  }
  (void)fcntl(ends[0], F_SETPIPE_SZ, PIPE_BYTES);  /* only speed depends on it */
  return LB_OK;
}

static void close_fd(int *fd)
{
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/* A password file that lies nowhere: one line for any server, as the chapter "The Password File" has it. -1: err is
** set. */
static int open_passfile(const char *password, lb_error *err)
{
  size_t n = strlen(password);
  if (strchr(password, '\n') || (n > 0 && password[n - 1] == '\r')) {
    lb_fail(err, LB_UNSUPPORTED, "a password with a line break cannot be handed to pg_dump: choose another one");
    return -1;
  }
  char *line = malloc(2 * n + 10), *at = line;
  if (!line) {
    lb_fail_nomem(err);
    return -1;
  }
  at = stpcpy(at, "*:*:*:*:");
  for (; *password; password++) {
    if (*password == '\\' || *password == ':') *at++ = '\\';
    *at++ = *password;
  }
  *at++ = '\n';
  int raw = memfd_create("lifeboat", MFD_CLOEXEC), fd = raw < 0 ? -1 : fcntl(raw, F_DUPFD_CLOEXEC, PASSFILE_FD + 1);
  if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR)) {
    lb_fail_errno(err, errno, "a password file in memory");
    close_fd(&fd);
  } else if (lb_file_write(fd, line, (size_t)(at - line), 0, "password file in memory", err)) {
    close_fd(&fd);
  }
  close_fd(&raw);
  explicit_bzero(line, 2 * n + 10);
  free(line);
  return fd;
}

static int lay_out(posix_spawn_file_actions_t *actions, int out, int err, int passfile)
{
  int failed = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, out, 1);
  if (!failed) failed = posix_spawn_file_actions_adddup2(actions, err, 2);
  for (int fd = 3; fd < PASSFILE_FD && !failed; fd++) failed = posix_spawn_file_actions_addclose(actions, fd);
  if (!failed && passfile >= 0) failed = posix_spawn_file_actions_adddup2(actions, passfile, PASSFILE_FD);
  if (!failed && passfile < 0) failed = posix_spawn_file_actions_addclose(actions, PASSFILE_FD);
#if defined __GLIBC__ && __GLIBC_PREREQ(2, 34)
  /* What a host opened without O_CLOEXEC; elsewhere it stays open in the child. */
  if (!failed) failed = posix_spawn_file_actions_addclosefrom_np(actions, PASSFILE_FD + 1);
#endif
  return failed;
}

/* A process group of its own: Control-C at a terminal is for the host, who interrupts us. */
static int set_attributes(posix_spawnattr_t *attributes)
{
  sigset_t none, all;
  sigemptyset(&none);
  sigfillset(&all);
  int failed = posix_spawnattr_setsigmask(attributes, &none);
  if (!failed) failed = posix_spawnattr_setsigdefault(attributes, &all);
  if (!failed) failed = posix_spawnattr_setpgroup(attributes, 0);
  short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
  return failed ? failed : posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const char *const *argv, char *const *environment, int out, int err_fd, int passfile, pid_t *pid)
{
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  int failed = posix_spawn_file_actions_init(&actions);
  if (failed) return failed;
  failed = posix_spawnattr_init(&attributes);
  if (!failed) {
    failed = lay_out(&actions, out, err_fd, passfile);
    if (!failed) failed = set_attributes(&attributes);
    if (!failed) failed = posix_spawn(pid, argv[0], &actions, &attributes, (char *const *)argv, environment);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  return failed;
}

lb_pg_program *lb_pg_program_run(lb_task *task, const char *const *argv, char *const *environment, const char *password,
                                 bool is_dump, lb_error *err)
{
  int out[2] = { -1, -1 }, words[2] = { -1, -1 }, passfile = -1;
  lb_pg_program *program = calloc(1, sizeof *program);
  if (!program) {
    lb_fail_nomem(err);
    return NULL;
  }
  program->task = task;
  program->is_dump = is_dump;
  program->name = lb_text_copy(lb_path_base(argv[0]), err);
  if (password) passfile = open_passfile(password, err);
  if (!err->code && open_pipe(out, err) == LB_OK && open_pipe(words, err) == LB_OK) {
    pid_t pid = 0;
    int failed = spawn(argv, environment, out[1], words[1], passfile, &pid);
    if (failed) lb_fail_errno(err, failed, "%s: cannot be started", argv[0]);
    else program->pid = pid;
  }
  program->out = out[0];
  program->err = words[0];
  close_fd(&out[1]);
  close_fd(&words[1]);
  close_fd(&passfile);
  if (!err->code) return program;
  lb_pg_program_close(program);
  return NULL;
}

lb_pg_program *lb_pg_program_start(const lb_pg *pg, const char *const *argv, lb_error *err)
{
  char *password = NULL;
  char **environment = lb_pg_environment(pg, NULL, &password, err);
  size_t count = 0;
  if (!environment) return NULL;
  while (environment[count]) count++;
  char **all = calloc(count + 2, sizeof *all);  /* borrows what environment owns */
  lb_pg_program *program = NULL;
  if (all) {
    memcpy(all, environment, count * sizeof *all);
    if (password) all[count] = "PGPASSFILE=/proc/self/fd/9";
    program = lb_pg_program_run(pg->task, argv, all, password, true, err);
  } else {
    lb_fail_nomem(err);
  }
  free(all);
  if (password) explicit_bzero(password, strlen(password));
  free(password);
  lb_pg_environment_free(environment);
  return program;
}

/* ---- living and dying ---- */

/* Whether it is our child and runs: only then its number is its own and may be signalled. */
static bool is_alive(lb_pg_program *program)
{
  if (program->pid <= 0) return false;
  int status;
  pid_t got = waitpid(program->pid, &status, WNOHANG);
  if (got == 0) return true;
  if (got < 0 && errno == EINTR) return true;
  if (got == program->pid) {
    program->status_known = true;
    program->status = status;
  }
  program->pid = 0;
  return false;
}

static bool wait_gone(lb_pg_program *program, double seconds)
{
  double deadline = lb_clock_monotonic() + seconds;
  while (is_alive(program)) {
    if (lb_clock_monotonic() > deadline) return false;
    poll(NULL, 0, 2);
  }
  return true;
}

static void terminate(lb_pg_program *program)
{
  static const int signals[] = { SIGTERM, SIGKILL };
  for (int i = 0; i < 2 && is_alive(program); i++) {
    kill(program->pid, signals[i]);
    wait_gone(program, TERM_SECONDS);
  }
}

/* ---- what it says ---- */

/* Keeps the last `most` bytes, or up to twice that. */
static void keep_last(lb_buf *buf, const char *data, size_t n, size_t most)
{
  if (n > most) {
    data += n - most;
    n = most;
  }
  if (buf->len + n > 2 * most) {
    memmove(buf->data, buf->data + buf->len - most, most);
    buf->len = most;
    buf->data[most] = 0;
  }
  lb_buf_append(buf, data, n);
}

/* The beginning of each line: a failed LOCK TABLE is quoted with all its tables, and would push out what failed. */
static void keep_words(lb_pg_program *program, const char *data, size_t n)
{
  for (size_t i = 0; i < n; i++) {
    if (data[i] == '\n') program->line = 0;
    else if (++program->line > LINE_MAX_KEPT) continue;
    keep_last(&program->words, data + i, 1, WORDS_MAX);
  }
}

/* Reads standard error without waiting, so that a child with much to say never waits for us. */
static void hear(lb_pg_program *program)
{
  char piece[1024];
  while (program->err >= 0) {
    ssize_t n = read(program->err, piece, sizeof piece);
    if (n > 0) keep_words(program, piece, (size_t)n);
    else if (n < 0 && errno == EINTR) continue;
    else if (n < 0 && errno == EAGAIN) return;
    else close_fd(&program->err);
  }
}

static int wait_for(lb_pg_program *program, lb_error *err)
{
  struct pollfd fds[2] = { { program->out, POLLIN, 0 }, { program->err, POLLIN, 0 } };  /* -1 is ignored */
  if (poll(fds, 2, POLL_MS) < 0 && errno != EINTR) return lb_fail_errno(err, errno, "%s: waiting", program->name);
  hear(program);
  if (program->task && lb_task_poll(program->task, err)) terminate(program);
  return err->code;
}

int lb_pg_program_fd(const lb_pg_program *program)
{
  return program->out;
}

int lb_pg_program_read(lb_pg_program *program, void *data, size_t size, bool wait, size_t *got, bool *again,
                       lb_error *err)
{
  *got = 0;
  if (again) *again = false;
  while (program->out >= 0) {
    hear(program);
    ssize_t n = read(program->out, data, size);
    if (n > 0) {
      *got = (size_t)n;
      keep_last(&program->tail, data, *got, TAIL_MAX);
      return LB_OK;
    }
    if (n == 0) {
      close_fd(&program->out);
    } else if (errno == EAGAIN && !wait) {
      if (again) *again = true;
      return LB_OK;
    } else if (errno != EAGAIN && errno != EINTR) {
      return lb_fail_errno(err, errno, "%s: reading its output", program->name);
    } else if (wait_for(program, err)) {
      return err->code;
    }
  }
  return LB_OK;
}

/* ---- the end ---- */

/* Whether the last comment of the output says that it is complete. What may follow: empty lines, "--", and \unrestrict,
** with which pg_dump ends its script since the minor releases of August 2025: all of it, as psql compares the key. */
static bool is_complete(const lb_buf *tail)
{
  static const char *const lines[] = { "-- PostgreSQL database dump complete\n",
                                       "-- PostgreSQL database cluster dump complete\n" };
  const char *last = NULL;
  for (size_t i = 0; i < 2; i++) {
    for (const char *at = tail->data; at && (at = strstr(at, lines[i])); at += strlen(lines[i])) {
      if ((at == tail->data || at[-1] == '\n') && (!last || at > last)) last = at;
    }
  }
  if (!last) return false;
  for (const char *line = strchr(last, '\n') + 1; *line; line += strcspn(line, "\n"), line += *line == '\n') {
    size_t n = strcspn(line, "\n");
    bool known = n == 0 || (n == 2 && strncmp(line, "--", 2) == 0) || strncmp(line, "\\unrestrict ", 12) == 0;
    if (!known || line[n] != '\n') return false;
  }
  return true;
}

static int fail_words(lb_pg_program *program, lb_error *err)
{
  const char *text = program->words.data ? program->words.data : "";
  size_t n = program->words.len;
  char *line = lb_pg_one_line(text + (n > WORDS_MAX ? n - WORDS_MAX : 0));
  char how[64] = "its output is not complete";
  if (program->status_known && WIFSIGNALED(program->status)) {
    snprintf(how, sizeof how, "ended by signal %d", WTERMSIG(program->status));
  } else if (program->status_known && WEXITSTATUS(program->status)) {
    snprintf(how, sizeof how, "exit status %d", WEXITSTATUS(program->status));
  }
  lb_fail(err, LB_ERROR, "%s failed (%s)%s%s", program->name, how, line && line[0] ? ": " : "", line ? line : "");
  free(line);
  return err->code;
}

int lb_pg_program_finish(lb_pg_program *program, lb_error *err)
{
  close_fd(&program->out);
  while (program->err >= 0 && is_alive(program)) {
    if (wait_for(program, err)) return err->code;
  }
  while (is_alive(program)) {
    if (program->task && lb_task_poll(program->task, err)) return err->code;
    poll(NULL, 0, 1);
  }
  hear(program);
  if (program->words.failed || program->tail.failed) return lb_fail_nomem(err);
  if (program->status_known && program->status != 0) return fail_words(program, err);
  return program->is_dump && !is_complete(&program->tail) ? fail_words(program, err) : (int)LB_OK;
}

static bool has_line(const lb_buf *notes, const char *line)
{
  size_t n = strlen(line);
  for (const char *at = notes->len ? notes->data : NULL; at && (at = strstr(at, line)); at++) {
    if ((at == notes->data || at[-1] == '\n') && (at[n] == '\n' || !at[n])) return true;
  }
  return false;
}

/* Each line that is whole begins with the program's name. */
void lb_pg_program_warnings(const lb_pg_program *program, lb_buf *notes)
{
  char *copy = program->words.len ? strdup(program->words.data) : NULL, *rest = NULL;
  for (char *at = copy ? strtok_r(copy, "\n", &rest) : NULL; at; at = strtok_r(NULL, "\n", &rest)) {
    char *line = strncmp(at, program->name, strlen(program->name)) == 0 ? lb_pg_one_line(at) : NULL;
    if (line && !has_line(notes, line)) lb_buf_printf(notes, "%s%s", notes->len ? "\n" : "", line);
    free(line);
  }
  free(copy);
}

void lb_pg_program_close(lb_pg_program *program)
{
  if (!program) return;
  terminate(program);
  close_fd(&program->out);
  close_fd(&program->err);
  lb_buf_free(&program->words);
  lb_buf_free(&program->tail);
  free(program->name);
  free(program);
}
