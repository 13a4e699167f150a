// What os/signal cannot do: keep signals while nobody listens. See hold.go.

#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static const int held[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR2};
#define HELD (int)(sizeof held / sizeof *held)

extern int __sigaction(int, const struct sigaction *, struct sigaction *);

static volatile sig_atomic_t collecting;       // nobody listens yet
static volatile sig_atomic_t came[HELD];       // while nobody did
static struct sigaction wanted[HELD];          // what the Go runtime wants to be told by

static int index_of(int sig) {
	for (int i = 0; i < HELD; i++)
		if (held[i] == sig) return i;
	return -1;
}

static void add_held(sigset_t *s) {
	for (int i = 0; i < HELD; i++) sigaddset(s, held[i]);
}

static void collect(int sig) {
	int i = index_of(sig);
	if (i >= 0) came[i] = 1;
}

// The Go runtime calls sigaction of the C library, that is, this one. While nobody
// listens, its handler would end the process: it is noted for later.
int sigaction(int sig, const struct sigaction *now, struct sigaction *old) {
	int i = index_of(sig);
	if (i < 0 || !collecting) return __sigaction(sig, now, old);
	if (old) *old = wanted[i];
	if (now) wanted[i] = *now;
	return 0;
}

// hold_begin runs before the Go runtime: the daemon collects what comes until it
// listens, and takes over what the program before it has held.
__attribute__((constructor)) static void hold_begin(int argc, char **argv) {
	int i;
	if (argc < 2 || !strncmp(argv[0], "wsgid: ", 7)) return;
	for (i = 1; strcmp(argv[i], "run"); i++)
		if (i == argc - 1) return;
	struct sigaction sa = {.sa_handler = collect, .sa_flags = SA_RESTART | SA_ONSTACK};
	sigset_t open;
	sigemptyset(&open);
	add_held(&open);
	for (i = 0; i < HELD; i++)
		if (__sigaction(held[i], &sa, &wanted[i])) return;
	collecting = 1;
	// From here on threads and children have a clean mask.
	pthread_sigmask(SIG_UNBLOCK, &open, NULL);
}

// hold_end: somebody listens now, and is told what has come.
void hold_end(void) {
	if (!collecting) return;
	collecting = 0;
	for (int i = 0; i < HELD; i++) __sigaction(held[i], &wanted[i], NULL);
	for (int i = 0; i < HELD; i++)
		if (came[i]) {
			came[i] = 0;
			kill(getpid(), held[i]);
		}
}

// shut runs in each thread once: from its return on the signals are blocked there.
// One that was meant for the process waits for it again.
static void shut(int sig, siginfo_t *info, void *context) {
	add_held(&((ucontext_t *)context)->uc_sigmask);
	if (info->si_code != SI_TKILL || info->si_pid != getpid()) kill(getpid(), sig);
}

static int is_open(const char *tid) {
	char path[64], line[256];
	unsigned long long blocked = 0;
	snprintf(path, sizeof path, "/proc/self/task/%.20s/status", tid);
	FILE *f = fopen(path, "re");
	if (!f) return 0; // it has ended
	while (fgets(line, sizeof line, f))
		if (sscanf(line, "SigBlk: %llx", &blocked) == 1) break;
	fclose(f);
	for (int i = 0; i < HELD; i++)
		if (!(blocked >> (held[i] - 1) & 1)) return 1;
	return 0;
}

static struct sigaction before[HELD];

// hold_shut blocks the signals in all threads. It returns the number of threads in
// which they are not.
int hold_shut(void) {
	struct sigaction sa = {.sa_sigaction = shut, .sa_flags = SA_SIGINFO | SA_RESTART | SA_ONSTACK};
	sigset_t all;
	int open = 0;
	sigemptyset(&all);
	add_held(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	sa.sa_mask = all;
	for (int i = 0; i < HELD; i++) __sigaction(held[i], &sa, &before[i]);
	for (int try = 0; try < 200; try++) {
		DIR *d = opendir("/proc/self/task");
		struct dirent *e;
		if (!d) return 1;
		open = 0;
		while ((e = readdir(d)))
			if (e->d_name[0] != '.' && is_open(e->d_name)) {
				open++;
				syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGHUP);
			}
		closedir(d);
		if (!open) return 0;
		usleep(200);
	}
	return open;
}

// hold_open undoes it for this thread, which is enough for the process.
void hold_open(void) {
	sigset_t all;
	sigemptyset(&all);
	add_held(&all);
	for (int i = 0; i < HELD; i++) __sigaction(held[i], &before[i], NULL);
	pthread_sigmask(SIG_UNBLOCK, &all, NULL);
}
