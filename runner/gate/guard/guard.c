#define _GNU_SOURCE
#include "guard.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

// In the guard nothing is called but what is a system call or touches memory only.

static int option(int fd, int what)
{
	int v = -1;
	socklen_t n = sizeof v;
	return getsockopt(fd, SOL_SOCKET, what, &v, &n) == 0 ? v : -1;
}

// is_client tells a client's connection, of which nothing else has the form. Over unix
// sockets others speak with a gate, too: there its listeners have an option that theirs
// have not, and that what is accepted at them inherits.
static int is_client(int fd)
{
	int domain = option(fd, SO_DOMAIN);
	if (domain == AF_UNIX && option(fd, SO_PASSCRED) != 1)
		return 0;
	return (domain == AF_INET || domain == AF_INET6 || domain == AF_UNIX) && option(fd, SO_TYPE) == SOCK_STREAM &&
	       option(fd, SO_ACCEPTCONN) == 0;
}

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void nap(int ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};
	nanosleep(&t, 0);
}

// dial connects to the socket of the next gate and waits there no longer than ms.
static int dial(const char *path, int64_t ms)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	if (!path || strlen(path) >= sizeof a.sun_path)
		return -1;
	strcpy(a.sun_path, path);
	int s = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (s < 0)
		return -1;
	struct timeval t = {ms / 1000, ms % 1000 * 1000};
	setsockopt(s, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
	if (connect(s, (struct sockaddr *)&a, sizeof a) == 0)
		return s;
	close(s);
	return -1;
}

// hear reads how many connections have come; -1: nothing more will be heard.
static int64_t hear(int s, int flags, int64_t heard)
{
	for (;;) {
		uint8_t b[16];
		ssize_t n = recv(s, b, sizeof b, flags);
		if (n == 9 && b[0] == 'T') {
			heard = 0;
			for (int i = 0; i < 8; i++)
				heard |= (int64_t)b[1 + i] << 8 * i;
			if (flags & MSG_DONTWAIT)
				continue;
			return heard;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && flags & MSG_DONTWAIT)
			return heard;
		return n < 0 && errno == ECONNRESET ? heard : -1;
	}
}

// pass_one sends a connection.
static int pass_one(const struct guard *g, int s, int fd, int64_t id)
{
	uint8_t b[64];
	memcpy(b, g->message, g->length);
	for (int i = 0; i < 8; i++)
		b[1 + i] = id >> 8 * i;
	struct iovec v = {b, g->length};
	union {
		char b[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} c;
	memset(&c, 0, sizeof c);
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = sizeof c.b};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof fd);
	for (;;) {
		if (sendmsg(s, &m, MSG_NOSIGNAL) >= 0)
			return 0;
		// Too many are on their way, of all processes of this user.
		if (errno == ETOOMANYREFS || errno == ENOBUFS || errno == ENOMEM)
			nap(5);
		else if (errno != EINTR)
			return -1;
	}
}

// pass sends all connections and closes those of which it is told that they came.
// It returns how many are left.
static int pass(const struct guard *g, int s)
{
	int64_t sent = 0, heard = 0;
	for (int fd = 0; fd < g->most; fd++) {
		if (!is_client(fd))
			continue;
		if (pass_one(g, s, fd, sent + 1) != 0)
			break;
		sent++;
		int64_t n = hear(s, MSG_DONTWAIT, heard);
		if (n < 0)
			break;
		heard = n;
	}
	while (heard < sent) {
		int64_t n = hear(s, 0, heard);
		if (n < 0)
			break;
		heard = n;
	}
	int left = 0;
	for (int fd = 0; fd < g->most; fd++) {
		if (!is_client(fd))
			continue;
		if (heard-- > 0)
			close(fd);
		else
			left++;
	}
	return left;
}

static void run(const struct guard *g)
{
	setsid();
	prctl(PR_SET_NAME, g->comm);
	memcpy(g->title, g->name, strlen(g->name));
	struct pollfd p = {g->gate, POLLIN, 0};
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
	// The table is ours alone. No listener is held: that is for others to do. No link
	// to a master is held: what it has not said that it took it must not take.
	int left = 0;
	for (int fd = 0; fd < g->most; fd++) {
		if (is_client(fd))
			left++;
		else if (fd != g->folder)
			close(fd);
	}
	int64_t end = now_ms() + (int64_t)g->patience * 1000;
	for (int64_t ms; left > 0 && (ms = end - now_ms()) > 0; nap(10)) {
		int s = dial(g->ways[0], ms);
		if (s < 0)
			s = dial(g->ways[1], ms);
		if (s < 0)
			continue;
		left = pass(g, s);
		close(s);
	}
}

int guard_start(const struct guard *g)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	long pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid == 0) {
		run(g);
		_exit(0);
	}
	int err = errno;
	pthread_sigmask(SIG_SETMASK, &old, 0);
	return pid < 0 ? -err : (int)pid;
}
