/* Workloads for the agent's benchmarks: agent_storm exec N PROGRAM | file N DIR | keep N DIR | connect N
 * Prints one JSON line: operations, wall seconds, CPU seconds of the workload. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* posix_spawn uses vfork semantics; a plain fork is what shells do. */
static void run(char *program)
{
	char *arguments[] = {program, "--version", "argument", 0};
	pid_t pid = fork();
	if (pid == 0) {
		int nowhere = open("/dev/null", O_WRONLY);
		dup2(nowhere, 1);
		dup2(nowhere, 2);
		execve(program, arguments, environ);
		_exit(127);
	}
	int status;
	waitpid(pid, &status, 0);
}

static void make_file(char *folder, int number, int keep)
{
	char name[512];
	snprintf(name, sizeof name, "%s/f%d", folder, number);
	int file = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644);
	if (file < 0 || write(file, name, strlen(name)) < 0)
		exit(1);
	close(file);
	if (!keep)
		unlink(name);
}

static int listener(struct sockaddr_in *at)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t length = sizeof *at;
	*at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	if (bind(s, (void *)at, sizeof *at) || getsockname(s, (void *)at, &length) || listen(s, 128))
		exit(1);
	return s;
}

static void connect_once(int server, struct sockaddr_in *at)
{
	struct linger now = {1, 0};
	int client = socket(AF_INET, SOCK_STREAM, 0);
	setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	if (connect(client, (void *)at, sizeof *at))
		exit(1);
	int served = accept(server, 0, 0);
	close(client);
	close(served);
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

int main(int count, char **arguments)
{
	if (count < 3)
		return 2;
	int number = atoi(arguments[2]);
	char *mode = arguments[1];
	struct timespec begin, end;
	struct sockaddr_in at;
	int server = strcmp(mode, "connect") ? -1 : listener(&at);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < number; i++) {
		if (server >= 0)
			connect_once(server, &at);
		else if (!strcmp(mode, "exec"))
			run(arguments[3]);
		else
			make_file(arguments[3], i, !strcmp(mode, "keep"));
	}
	clock_gettime(CLOCK_MONOTONIC, &end);
	struct rusage self, children;
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	printf("{\"operations\": %d, \"wall\": %.4f, \"cpu\": %.4f}\n", number,
	       end.tv_sec - begin.tv_sec + (end.tv_nsec - begin.tv_nsec) / 1e9,
	       seconds(self.ru_utime) + seconds(self.ru_stime) + seconds(children.ru_utime) + seconds(children.ru_stime));
	return 0;
}
