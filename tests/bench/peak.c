/* Runs a command and tells its peak memory.
**
**     peak FILE COMMAND [ARGUMENT…]
**
** Writes the KiB of the largest process of the command to FILE; exits as the command did. There is a program for it
** because Linux counts what the parent had at the time of the exec as the child's: started from Python, everything
** seems to need at least as much as Python.
*/
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
  struct rusage usage;
  int status;
  if (argc < 3) {
    fprintf(stderr, "usage: peak FILE COMMAND [ARGUMENT...]\n");
    return 2;
  }
  pid_t child = fork();
  if (child == 0) {
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  if (child < 0 || wait4(child, &status, 0, &usage) != child) {
    perror("peak");
    return 1;
  }
  FILE *out = fopen(argv[1], "w");
  if (!out || fprintf(out, "%ld\n", usage.ru_maxrss) < 0 || fclose(out)) {
    perror(argv[1]);
    return 1;
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
