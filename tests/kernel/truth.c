/* True time for a test in a kernel of its own: the oscillator as nobody steers it (CLOCK_MONOTONIC_RAW), times a rate.
 *
 *   truth serve BASE PPM ADDRESS...   NTP servers (stratum 1) at these addresses, until killed
 *   truth watch BASE PPM COUNT        each second a line: seconds since boot, system clock minus truth in microseconds
 *   truth kernel BASE PPM -           what the kernel says of its clock: status, frequency (ppm), maxerror and esterror (us), tai
 *
 * True time is BASE (seconds since 1970) + raw clock x (1 + PPM 1e-6): whoever is told the same two numbers has the same time.
 * With LEAP=SECONDS in the environment a second is inserted before that time, and the servers announce it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int64_t base;
static double rate;
/* ns since 1970; 0: none comes */
static int64_t leap;

static int64_t now(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* ns since 1970, the leap second not yet taken off */
static int64_t even(void)
{
	int64_t raw = now(CLOCK_MONOTONIC_RAW);
	return base * 1000000000LL + raw + (int64_t)(raw * rate);
}

/* ns since 1970 */
static int64_t truth(void)
{
	int64_t time = even();
	return leap && time >= leap ? time - 1000000000 : time;
}

/* System clock minus truth, ns: the best of a few looks. */
static int64_t error(void)
{
	int64_t best = 0, width = INT64_MAX;
	for (int i = 0; i < 7; i++) {
		int64_t before = truth(), system = now(CLOCK_REALTIME), after = truth();
		if (after - before < width) {
			width = after - before;
			best = system - (before + width / 2);
		}
	}
	return best;
}

static void put(unsigned char *to, int64_t unix_ns)
{
	uint32_t seconds = htonl((uint32_t)(unix_ns / 1000000000 + 2208988800LL));
	uint32_t fraction = htonl((uint32_t)(((unix_ns % 1000000000) << 32) / 1000000000));
	memcpy(to, &seconds, 4);
	memcpy(to + 4, &fraction, 4);
}

static void answer(int socket)
{
	unsigned char packet[48];
	char control[256];
	struct sockaddr_in from;
	struct iovec data = { packet, sizeof packet };
	struct msghdr message = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &data, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof control };
	if (recvmsg(socket, &message, 0) != sizeof packet || (packet[0] & 7) != 3)
		return;
	int64_t waited = 0;
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	if (c && c->cmsg_type == SCM_TIMESTAMPNS) {
		struct timespec t;
		memcpy(&t, CMSG_DATA(c), sizeof t);
		waited = now(CLOCK_REALTIME) - (t.tv_sec * 1000000000LL + t.tv_nsec);
	}
	int64_t received = truth() - (waited > 0 && waited < 100000000 ? waited : 0);
	memcpy(packet + 24, packet + 40, 8);
	int announced = leap && received < leap;
	packet[0] = (unsigned char)(announced << 6 | (packet[0] & 0x38) | 4);
	packet[1] = 1;
	packet[3] = (unsigned char)-20;
	memset(packet + 4, 0, 8);
	memcpy(packet + 12, "TRUE", 4);
	put(packet + 16, received);
	put(packet + 32, received);
	put(packet + 40, truth());
	sendmsg(socket, &(struct msghdr){ .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &data, .msg_iovlen = 1 }, 0);
}

static int serve(int count, char **addresses)
{
	struct pollfd sockets[16];
	for (int i = 0; i < count && i < 16; i++) {
		struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(123) };
		int on = 1;
		sockets[i] = (struct pollfd){ socket(AF_INET, SOCK_DGRAM, 0), POLLIN, 0 };
		setsockopt(sockets[i].fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
		if (inet_pton(AF_INET, addresses[i], &at.sin_addr) != 1 || bind(sockets[i].fd, (void *)&at, sizeof at)) {
			perror(addresses[i]);
			return 1;
		}
	}
	for (;;) {
		poll(sockets, count, -1);
		for (int i = 0; i < count; i++)
			if (sockets[i].revents)
				answer(sockets[i].fd);
	}
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	if (getenv("LEAP"))
		leap = atoll(getenv("LEAP")) * 1000000000LL;
	base = atoll(argv[2]);
	rate = atof(argv[3]) * 1e-6;
	if (!strcmp(argv[1], "serve"))
		return serve(argc - 4, argv + 4);
	if (!strcmp(argv[1], "kernel")) {
		struct timex kernel = { 0 };
		int state = adjtimex(&kernel);
		printf("state=%d status=%#x tick=%ld freq=%.3f maxerror=%ld esterror=%ld tai=%d\n", state, kernel.status, kernel.tick,
			kernel.freq / 65536.0, kernel.maxerror, kernel.esterror, kernel.tai);
		return 0;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < atoi(argv[4]); i++) {
		/* Within the leap itself clocks that are microseconds apart differ by a second: look a moment later. */
		if (leap && llabs(even() - leap) < 50000000)
			usleep(100000);
		printf("%.1f %.1f\n", now(CLOCK_MONOTONIC_RAW) / 1e9, error() / 1e3);
		sleep(1);
	}
	return 0;
}
