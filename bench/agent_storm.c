/* Workloads for the agent's benchmarks:
 *   agent_storm exec N PROGRAM | unique N PROGRAM | long N PROGRAM | file N DIR [RATE] | keep N DIR | connect N | trace N
 * Prints one JSON line: operations, wall seconds, CPU seconds of the workload. RATE: files a second at most. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* A plain fork: what shells do. */
static void run(char *program, char *unique)
{
	char *arguments[] = {program, "--version", unique ? unique : "argument", 0};
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

/* A child is held and let go. */
static void trace_once(void)
{
	static pid_t child;
	int status;
	if (!child && (child = fork()) == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (ptrace(PTRACE_ATTACH, child, 0, 0) || waitpid(child, &status, 0) != child || ptrace(PTRACE_DETACH, child, 0, 0))
		exit(1);
}

/* 250 bytes that no other program was given. */
static void run_unique(char *program, int number, int size)
{
	char text[8192];
	int length = snprintf(text, sizeof text, "--name=%d-%d", getpid(), number);
	for (int i = length; i < size; i++)
		text[i] = 'a' + (number * 31 + i * i) % 26;
	text[size] = 0;
	run(program, text);
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

/* CPU time of this process and of its children that ended. */
static double used(void)
{
	struct rusage self, children;
	getrusage(RUSAGE_SELF, &self);
	getrusage(RUSAGE_CHILDREN, &children);
	return seconds(self.ru_utime) + seconds(self.ru_stime) + seconds(children.ru_utime) + seconds(children.ru_stime);
}

static double since(struct timespec *begin)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - begin->tv_sec + (now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* Sleeps while more than a millisecond ahead of the pace. */
static void keep_pace(struct timespec *begin, int number, double rate)
{
	double ahead = number / rate - since(begin);
	if (ahead > 0.001)
		usleep(ahead * 1e6);
}

int main(int count, char **arguments)
{
	if (count < 3)
		return 2;
	int number = atoi(arguments[2]);
	double rate = count > 4 ? atof(arguments[4]) : 0;
	char *mode = arguments[1];
	struct timespec begin;
	struct sockaddr_in at;
	int server = strcmp(mode, "connect") ? -1 : listener(&at);
	double before = used(); /* of whatever has started us */
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (int i = 0; i < number; i++) {
		if (rate)
			keep_pace(&begin, i, rate);
		if (server >= 0)
			connect_once(server, &at);
		else if (!strcmp(mode, "trace"))
			trace_once();
		else if (!strcmp(mode, "exec"))
			run(arguments[3], 0);
		else if (!strcmp(mode, "unique"))
			run_unique(arguments[3], i, 250);
		else if (!strcmp(mode, "long"))
			run_unique(arguments[3], i, 8000);
		else
			make_file(arguments[3], i, !strcmp(mode, "keep"));
	}
	printf("{\"operations\": %d, \"wall\": %.4f, \"cpu\": %.4f}\n", number, since(&begin), used() - before);
	return 0;
}
