/* A simulated world, preloaded under the daemon: clocks, a network, NTP servers, one client.
 *
 * It takes the place of the kernel's clock and of its UDP sockets, and is as strict as the strictest simulator of
 * this kind that the daemon must live with: what such a simulator does not know ends the process here, with a line
 * that says why. No call that sets a clock or opens an Internet socket ever reaches the kernel.
 *
 * Time passes only in poll, select and nanosleep, and a little with each reading of a clock. Everything follows from
 * the seed: two runs of the same program are the same, to the nanosecond.
 *
 * Environment (all optional; times in s, frequencies in s/s):
 *   WORLD_SEED       seed of all chance                 WORLD_LIMIT      SIGTERM after so many seconds
 *   WORLD_DELAYS     one-way delay of each server's link, with commas: as many servers, 192.168.123.1, .2, …
 *   WORLD_JITTER     mean of the exponential part, each way              WORLD_LOSS  probability, each way
 *   WORLD_FALSE      0 for a good server, else its error, with commas
 *   WORLD_OFFSET     error of our clock at the start    WORLD_FREQUENCY  its frequency error (positive: fast)
 *   WORLD_WANDER     random walk of that, per root of a second
 *   WORLD_STEP       when:offset, somebody else's step of our clock
 *   WORLD_STEER      when:change, somebody else's change of its frequency
 *   WORLD_SLEEP      when:length:error, our machine sleeps; both of its clocks go on and are wrong by so much after it
 *   WORLD_CLIENT     interval of a client that asks our port 123 and checks the answers
 *   WORLD_STREAMS    file of `sim streams`: oscillator, delays, losses, server errors, start and length from there
 *   WORLD_LOG        file for one line a second: time, error of the clock, error of its rate (ppm), packets sent; then
 *                    totals
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <linux/futex.h>
#include <linux/net_tstamp.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include <dlfcn.h>

#define NANOS 1000000000LL
#define USER_HZ 100
#define EPOCH (1700000000LL * NANOS) /* true time at the start, ns since 1970 */
#define NTP_1970 2208988800u
#define MAX_FREQ (500L << 16)        /* MAXFREQ: 500 ppm */
#define PHASE_LIMIT 16000000L        /* NTP_PHASE_LIMIT: 16 s */
#define READING 250                  /* what a look at a clock takes, ns */
#define FAST_READING 25              /* … on the machine of a streams file, whose clock is the simulator's own */
#define OURS 0xc0a87bc8u             /* 192.168.123.200: the daemon's machine */
#define CLIENT 0xc0a87b64u           /* 192.168.123.100: the client that asks it */
#define SERVERS 0xc0a87b00u          /* 192.168.123.0: the servers follow */
#define FIRST_FD 1000                /* above every descriptor of the kernel's */
#define MAX_SOCKETS 20
#define MAX_SERVERS 16
#define MAX_PACKETS 512
#define MAX_BYTES 512
#define QUEUE 64
#define MAX_IDLE_TURNS 2000          /* polls that may follow each other without a millisecond passing */
#define FRAME 42                     /* headers in front of a packet in the error queue */

typedef int64_t nanos;

/* ---- the end ------------------------------------------------------------------------------------------------ */

static nanos now;      /* true time since the start */
static FILE *record;   /* WORLD_LOG */

__attribute__((noreturn, format(printf, 1, 2))) static void violation(const char *format, ...)
{
    char text[256];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    dprintf(2, "VIOLATION at %.9f s: %s\n", (double)now / NANOS, text);
    if (record)
        fflush(record);
    abort();
}

static pthread_t main_thread;
static int started;
static void make_world(void);

static void enter(const char *call)
{
    if (!started)
        make_world(); /* another library's constructor came first */
    if (!pthread_equal(pthread_self(), main_thread))
        violation("%s from another thread than the first", call);
}

static void *kernel(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (!function)
        violation("no %s in the C library", name);
    return function;
}

/* ---- chance: a generator for each purpose, so that one does not disturb another ----------------------------- */

enum { WANDER, NETWORK, ENTROPY, PORTS, STREAMS };
static uint64_t streams[STREAMS];

static uint64_t bits(int stream) /* splitmix64 */
{
    uint64_t z = streams[stream] += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static double uniform(int stream) /* above 0, at most 1 */
{
    return ((double)(bits(stream) >> 11) + 1) * 0x1p-53;
}

static double normal(int stream)
{
    return sqrt(-2 * log(uniform(stream))) * cos(2 * M_PI * uniform(stream));
}

/* ---- the clock of the daemon's machine ---------------------------------------------------------------------- */

struct reading { nanos whole; double part; }; /* part: 0 … 1 ns */
static struct reading realtime, monotonic, raw;
static double oscillator;       /* its frequency error */
static long tick = 1000000 / USER_HZ, freq, maxerror = PHASE_LIMIT, esterror = PHASE_LIMIT;
static int status = STA_UNSYNC, tai;
static double wander;
static nanos glance = READING;

static double steering(void)
{
    return (tick * USER_HZ - 1000000) * 1e-6 + freq / 65536e6;
}

static double rate_error(void)
{
    return oscillator + steering() + oscillator * steering();
}

static void move(struct reading *clock, nanos elapsed, double rate)
{
    double part = clock->part + (double)elapsed * rate;
    double whole = floor(part);
    clock->whole += elapsed + (nanos)whole;
    clock->part = part - whole;
}

static void elapse(nanos elapsed)
{
    double rate = rate_error();
    move(&realtime, elapsed, rate);
    move(&monotonic, elapsed, rate);
    move(&raw, elapsed, oscillator);
    now += elapsed;
}

static double clock_error(void)
{
    return ((double)(realtime.whole - EPOCH - now) + realtime.part) * 1e-9;
}

/* ---- the network -------------------------------------------------------------------------------------------- */

struct packet {
    nanos at;                   /* when it arrives; then when it arrived, by our clock */
    uint64_t serial;            /* packets of the same instant keep their order */
    uint32_t from, to;
    uint16_t from_port, to_port;
    int len;
    uint8_t bytes[MAX_BYTES];
};

struct socket {
    int open, bound, connected, stamping, packet_info, reuse, non_blocking, to_abort;
    uint32_t address, remote;
    uint16_t port, remote_port;
    int waiting, stamps;        /* lengths of the queues */
    uint32_t sent;              /* stamped packets so far: SOF_TIMESTAMPING_OPT_ID */
    struct packet queue[QUEUE], errors[QUEUE];
};

static struct packet flying[MAX_PACKETS];
static int in_flight;
static uint64_t serial;
static struct socket sockets[MAX_SOCKETS];

static int servers;
static double delays[MAX_SERVERS], lies[MAX_SERVERS], jitter, loss;
static nanos limit = 3600 * NANOS, next_second, step_at = INT64_MAX, steer_at = INT64_MAX,
             sleep_at = INT64_MAX, wake_at = INT64_MAX, sleep_length, client_at = INT64_MAX, client_interval;
static double step_offset, steer_change, sleep_error;
static int asleep;
static int dying;
static long asked, answered, unready, wrong, polls; /* totals for the record */
static double worst;                                /* largest |error| / root distance that was served */
static long sent;                                   /* packets of the daemon's to servers */

static void put32(uint8_t *at, uint32_t value)
{
    value = htonl(value);
    memcpy(at, &value, 4);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, 4);
    return ntohl(value);
}

static void put_time(uint8_t *at, nanos time) /* ns since 1970 */
{
    put32(at, (uint32_t)(time / NANOS) + NTP_1970);
    put32(at + 4, (uint32_t)(((unsigned __int128)(time % NANOS) << 32) / NANOS));
}

static nanos get_time(const uint8_t *at)
{
    return (nanos)(get32(at) - NTP_1970) * NANOS + (nanos)(((uint64_t)get32(at + 4) * NANOS) >> 32);
}

/* ---- streams: what another simulator's world does, second by second, in the place of chance ------------------ */

struct way { double there, back, server; }; /* delays (s; NaN: lost) of what leaves in a second, the server's error then */
static int streamed;
static size_t rows, rows_room;  /* seconds known; the last one lasts */
static double *rates;           /* frequency error of the oscillator in each */
static struct way *ways;        /* as many for each second as there are servers */

static size_t row_of(nanos when)
{
    size_t row = when < 0 ? 0 : (size_t)(when / NANOS);
    return row < rows ? row : rows - 1;
}

static const struct way *way_of(nanos when, int index)
{
    return &ways[row_of(when) * (size_t)servers + (size_t)index];
}

static double server_error(int index, nanos when)
{
    if (!streamed)
        return lies[index];
    double now_error = way_of(when, index)->server, next = way_of(when + NANOS, index)->server;
    return now_error + (next - now_error) * (double)(when % NANOS) / NANOS;
}

static void add_row(char *text, const char *path)
{
    if (rows == rows_room) {
        rows_room = rows_room ? 2 * rows_room : 65536;
        rates = realloc(rates, rows_room * sizeof *rates);
        ways = realloc(ways, rows_room * (size_t)servers * sizeof *ways);
        if (!rates || !ways)
            violation("no memory for %s", path);
    }
    char *at = text, *end;
    size_t second = strtoul(at, &at, 10);
    for (int i = 0; i < 1 + 3 * servers; i++, at = end) {
        double value = strtod(at, &end);
        if (end == at || second != rows)
            violation("%s: second %zu is not understood: %s", path, rows, text);
        if (i == 0)
            rates[rows] = value;
        else
            (&ways[rows * (size_t)servers].there)[i - 1] = value;
    }
    rows++;
}

static void read_streams(const char *path)
{
    static char line[1024];
    FILE *file = fopen(path, "r");
    double value, more;
    if (!file || !fgets(line, sizeof line, file) || strcmp(line, "streams 1\n") != 0)
        violation("%s is no file of streams", path);
    while (fgets(line, sizeof line, file)) {
        if (line[0] >= '0' && line[0] <= '9') {
            if (servers < 1 || servers > MAX_SERVERS)
                violation("%s has %d servers, not 1 to %d", path, servers, MAX_SERVERS);
            add_row(line, path);
        } else if (sscanf(line, "servers %lf", &value) == 1)
            servers = (int)value;
        else if (sscanf(line, "length %lf", &value) == 1)
            limit = (nanos)(value * NANOS);
        else if (sscanf(line, "offset %lf", &value) == 1)
            realtime.whole = EPOCH + (nanos)llround(value * NANOS);
        else if (sscanf(line, "step %lf %lf", &value, &more) == 2) {
            step_at = (nanos)(value * NANOS);
            step_offset = more;
        }
    }
    fclose(file);
    if (rows == 0)
        violation("%s has no seconds", path);
    streamed = 1;
    glance = FAST_READING;
    oscillator = rates[0];
}

/* How long a packet to or from a far end flies that leaves at `when`, s; NaN: for ever. */
static double flight(const struct packet *packet, nanos when, uint32_t far_end)
{
    uint32_t index = far_end - SERVERS - 1;
    if (streamed && index < (uint32_t)servers)
        return packet->to == far_end ? way_of(when, (int)index)->there : way_of(when, (int)index)->back;
    double delay = 100e-6; /* the client is near */
    if (index < (uint32_t)servers)
        delay = delays[index] + jitter * -log(uniform(NETWORK));
    int lost = uniform(NETWORK) <= loss && far_end != CLIENT;
    return lost ? NAN : delay;
}

static void launch(struct packet packet, nanos when, uint32_t far_end)
{
    double delay = flight(&packet, when, far_end);
    if (isnan(delay))
        return;
    if (in_flight == MAX_PACKETS)
        violation("%d packets are on their way: too many", in_flight);
    packet.at = when + (nanos)(delay * NANOS);
    packet.serial = serial++;
    flying[in_flight++] = packet;
}

static void turn_round(struct packet *packet)
{
    uint32_t address = packet->from;
    uint16_t port = packet->from_port;
    packet->from = packet->to;
    packet->from_port = packet->to_port;
    packet->to = address;
    packet->to_port = port;
}

static void serve(struct packet packet, int index) /* an ideal server of stratum 1 */
{
    uint8_t *b = packet.bytes;
    if (packet.len != 48 || (b[0] & 7) != 3 || (b[0] >> 3 & 7) != 4)
        violation("server %d got a packet of %d bytes, first 0x%02x: not a plain NTPv4 request", index + 1, packet.len, b[0]);
    nanos processing = 20000, sending = now + processing;
    nanos received = EPOCH + now + (nanos)(server_error(index, now) * NANOS);
    b[0] = 4 << 3 | 4;
    b[1] = 1;
    b[3] = (uint8_t)(streamed ? -29 : -25);
    put32(b + 4, 0);
    put32(b + 8, !streamed);
    memcpy(b + 12, "SIM\0", 4);
    memmove(b + 24, b + 40, 8);
    put_time(b + 16, received / NANOS * NANOS);
    put_time(b + 32, received);
    put_time(b + 40, EPOCH + sending + (nanos)(server_error(index, sending) * NANOS));
    turn_round(&packet);
    launch(packet, sending, SERVERS + 1 + (uint32_t)index);
}

static void ask_daemon(void)
{
    struct packet packet = {.from = CLIENT, .to = OURS, .from_port = 40000, .to_port = 123, .len = 48};
    packet.bytes[0] = 4 << 3 | 3;
    put_time(packet.bytes + 40, EPOCH + now);
    asked++;
    launch(packet, now, CLIENT);
}

static void check_answer(const struct packet *packet) /* as it leaves: the time of sending is known exactly */
{
    const uint8_t *b = packet->bytes;
    if (packet->len != 48 || (b[0] & 7) != 4)
        violation("the client got a strange answer of %d bytes", packet->len);
    answered++;
    if (b[0] >> 6 == 3 || b[1] == 0 || b[1] > 15) {
        unready++;
        return;
    }
    double distance = get32(b + 4) / 65536.0 / 2 + get32(b + 8) / 65536.0;
    double error = fabs((double)(get_time(b + 40) - EPOCH - now) * 1e-9);
    worst = fmax(worst, error / distance);
    if (error > distance)
        wrong++;
}

static void deliver(struct packet packet)
{
    if (packet.to >= SERVERS + 1 && packet.to < SERVERS + 1 + (uint32_t)servers && packet.to_port == 123) {
        serve(packet, (int)(packet.to - SERVERS - 1));
        return;
    }
    if (packet.to != OURS)
        return;
    struct socket *best = NULL; /* a connected socket goes before one that takes all */
    for (struct socket *s = sockets; s < sockets + MAX_SOCKETS; s++) {
        int fits = s->open && s->port == packet.to_port && (!s->address || s->address == packet.to);
        if (!fits || (s->connected && (s->remote != packet.from || s->remote_port != packet.from_port)))
            continue;
        if (!best || s->connected)
            best = s;
    }
    if (!best || best->waiting == QUEUE)
        return;
    packet.at = realtime.whole;
    best->queue[best->waiting++] = packet;
}

/* ---- what happens, in its order ----------------------------------------------------------------------------- */

static void on_second(void)
{
    if (streamed)
        oscillator = rates[row_of(now)];
    if (record)
        fprintf(record, "%lld %.9f %.6f %ld\n", (long long)(now / NANOS), clock_error(), rate_error() * 1e6, sent);
    next_second += NANOS;
    if (!streamed)
        oscillator += wander * normal(WANDER);
    if ((maxerror += 500) >= PHASE_LIMIT) {
        maxerror = PHASE_LIMIT;
        status |= STA_UNSYNC;
    }
}

/* Lets time pass until `end`, or less if `until_news` and a packet comes. */
static void run(nanos end, int until_news)
{
    for (;;) {
        nanos next = end;
        int first = -1;
        for (int i = 0; i < in_flight; i++)
            if (first < 0 || flying[i].at < flying[first].at ||
                (flying[i].at == flying[first].at && flying[i].serial < flying[first].serial))
                first = i;
        nanos arrival = first < 0 ? INT64_MAX : flying[first].at;
        nanos events[] = {arrival, next_second, step_at, steer_at, sleep_at, wake_at, client_at, limit};
        for (int i = 0; i < 8; i++)
            if (events[i] < next)
                next = events[i];
        if (next > now)
            elapse(next - now);
        if (now == limit && !dying) {
            dying = 1;
            limit = INT64_MAX;
            raise(SIGTERM);
            return;
        }
        if (now == next_second)
            on_second();
        else if (now == step_at) {
            realtime.whole += (nanos)(step_offset * NANOS);
            step_at = INT64_MAX;
        } else if (now == steer_at) {
            freq += lround(steer_change * 65536e6);
            steer_at = INT64_MAX;
        } else if (now == sleep_at) {
            asleep = 1;
            sleep_at = INT64_MAX;
            wake_at = now + sleep_length;
        } else if (now == wake_at) {
            asleep = 0;
            wake_at = INT64_MAX;
            realtime.whole += (nanos)(sleep_error * NANOS);
            monotonic.whole += (nanos)(sleep_error * NANOS);
        } else if (now == client_at) {
            if (!asleep)
                ask_daemon();
            client_at += client_interval;
        } else if (arrival <= now) {
            struct packet packet = flying[first];
            flying[first] = flying[--in_flight];
            if (asleep && packet.to == OURS)
                continue;
            deliver(packet);
            if (until_news && packet.to == OURS)
                return;
        } else if (now >= end && !asleep)
            return;
        else if (now >= end)
            end = wake_at;
    }
}

/* ---- setting up --------------------------------------------------------------------------------------------- */

static double number(const char *name, double otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtod(text, NULL) : otherwise;
}

static int list(const char *name, double *values)
{
    int count = 0;
    const char *text = getenv(name);
    while (text && *text && count < MAX_SERVERS) {
        values[count++] = strtod(text, (char **)&text);
        text += *text == ',';
    }
    return count;
}

__attribute__((constructor)) static void make_world(void)
{
    if (started)
        return;
    started = 1;
    main_thread = pthread_self();
    for (int i = 0; i < STREAMS; i++)
        streams[i] = (uint64_t)number("WORLD_SEED", 1) * 0x2545f4914f6cdd1du + (uint64_t)i * 0xda942042e4dd58b5u;
    servers = list("WORLD_DELAYS", delays);
    list("WORLD_FALSE", lies);
    jitter = number("WORLD_JITTER", 0);
    loss = number("WORLD_LOSS", -1);
    limit = (nanos)(number("WORLD_LIMIT", 3600) * NANOS);
    oscillator = number("WORLD_FREQUENCY", 0);
    wander = number("WORLD_WANDER", 0);
    client_interval = (nanos)(number("WORLD_CLIENT", 0) * NANOS);
    if (client_interval > 0)
        client_at = client_interval;
    const char *step = getenv("WORLD_STEP");
    if (step && *step) {
        step_at = (nanos)(strtod(step, (char **)&step) * NANOS);
        step_offset = *step == ':' ? strtod(step + 1, NULL) : 0;
    }
    const char *steer = getenv("WORLD_STEER");
    if (steer && *steer) {
        steer_at = (nanos)(strtod(steer, (char **)&steer) * NANOS);
        steer_change = *steer == ':' ? strtod(steer + 1, NULL) : 0;
    }
    const char *nap = getenv("WORLD_SLEEP");
    if (nap && *nap) {
        sleep_at = (nanos)(strtod(nap, (char **)&nap) * NANOS);
        sleep_length = *nap == ':' ? (nanos)(strtod(nap + 1, (char **)&nap) * NANOS) : 0;
        sleep_error = *nap == ':' ? strtod(nap + 1, NULL) : 0;
    }
    realtime.whole = EPOCH + (nanos)(number("WORLD_OFFSET", 0) * NANOS);
    monotonic.whole = raw.whole = 1000 * NANOS;
    const char *foreign = getenv("WORLD_STREAMS");
    if (foreign && *foreign)
        read_streams(foreign);
    const char *path = getenv("WORLD_LOG");
    if (path && *path && !(record = fopen(path, "w")))
        violation("cannot write %s", path);
    if (record)
        fprintf(record, "# time error frequency_ppm sent\n");
}

__attribute__((destructor)) static void end_world(void)
{
    if (!record)
        return;
    fprintf(record, "# polls %ld asked %ld answered %ld unready %ld wrong %ld worst %.6f status 0x%x tai %d\n", polls,
            asked, answered, unready, wrong, worst, status, tai);
    fclose(record);
    record = NULL;
}

/* ---- clock calls -------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t id, struct timespec *time)
{
    enter("clock_gettime");
    run(now + glance, 0);
    struct reading *clock;
    switch (id) {
    case CLOCK_REALTIME: case CLOCK_REALTIME_COARSE: clock = &realtime; break;
    case CLOCK_MONOTONIC: case CLOCK_MONOTONIC_COARSE: clock = &monotonic; break;
    case CLOCK_MONOTONIC_RAW: clock = &raw; break;
    default: errno = EINVAL; return -1;
    }
    time->tv_sec = clock->whole / NANOS;
    time->tv_nsec = clock->whole % NANOS;
    return 0;
}

int clock_getres(clockid_t id, struct timespec *time)
{
    (void)id;
    *time = (struct timespec){.tv_nsec = 1};
    return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec spec;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &spec);
    *time = (struct timeval){.tv_sec = spec.tv_sec, .tv_usec = spec.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *at)
{
    struct timespec spec;
    clock_gettime(CLOCK_REALTIME, &spec);
    if (at)
        *at = spec.tv_sec;
    return spec.tv_sec;
}

int clock_settime(clockid_t id, const struct timespec *time)
{
    enter("clock_settime");
    if (id != CLOCK_REALTIME || time->tv_nsec < 0 || time->tv_nsec >= NANOS) {
        errno = EINVAL;
        return -1;
    }
    realtime = (struct reading){.whole = time->tv_sec * NANOS + time->tv_nsec};
    status |= STA_UNSYNC;
    return 0;
}

int clock_adjtime(clockid_t id, struct timex *t)
{
    enter("clock_adjtime");
    run(now + glance, 0);
    unsigned known = ADJ_FREQUENCY | ADJ_TICK | ADJ_SETOFFSET | ADJ_STATUS | ADJ_TAI | ADJ_MAXERROR | ADJ_ESTERROR;
    if (t->offset == 0) /* ends a slew of the kernel's own, of which there is none */
        t->modes = t->modes == ADJ_OFFSET_SINGLESHOT ? 0 : t->modes & ~(unsigned)ADJ_OFFSET;
    if (t->modes & ~(known | ADJ_NANO))
        violation("clock_adjtime with modes 0x%x", t->modes);
    int set = t->modes & ADJ_SETOFFSET;
    nanos unit = t->modes & ADJ_NANO ? NANOS : 1000000;
    int bad = id != CLOCK_REALTIME || (set && (t->time.tv_usec < 0 || t->time.tv_usec >= unit)) ||
              (t->modes & ADJ_TICK && (t->tick < 900000 / USER_HZ || t->tick > 1100000 / USER_HZ));
    if (bad) {
        errno = EINVAL;
        return -1;
    }
    if (set) {
        realtime.whole += t->time.tv_sec * NANOS + t->time.tv_usec * (NANOS / unit);
        status |= STA_UNSYNC;
        maxerror = esterror = PHASE_LIMIT;
    }
    if (t->modes & ADJ_STATUS)
        status = (status & 0xff00) | (t->status & ~0xff00);
    if (t->modes & ADJ_FREQUENCY)
        freq = t->freq > MAX_FREQ ? MAX_FREQ : t->freq < -MAX_FREQ ? -MAX_FREQ : t->freq;
    if (t->modes & ADJ_MAXERROR)
        maxerror = t->maxerror < 0 ? 0 : t->maxerror > PHASE_LIMIT ? PHASE_LIMIT : t->maxerror;
    if (t->modes & ADJ_ESTERROR)
        esterror = t->esterror < 0 ? 0 : t->esterror > PHASE_LIMIT ? PHASE_LIMIT : t->esterror;
    if (t->modes & ADJ_TAI)
        tai = (int)t->constant;
    if (t->modes & ADJ_TICK)
        tick = t->tick;
    *t = (struct timex){.modes = t->modes, .freq = freq, .maxerror = maxerror, .esterror = esterror, .status = status,
                        .constant = 2, .precision = 1, .tolerance = MAX_FREQ, .tick = tick, .tai = tai,
                        .time = {realtime.whole / NANOS, realtime.whole % NANOS / 1000}};
    return status & STA_UNSYNC ? TIME_ERROR : TIME_OK;
}

int adjtimex(struct timex *t) { return clock_adjtime(CLOCK_REALTIME, t); }
int ntp_adjtime(struct timex *t) { return clock_adjtime(CLOCK_REALTIME, t); }

int settimeofday(const struct timeval *time, const struct timezone *zone)
{
    (void)time, (void)zone;
    violation("settimeofday");
}

int adjtime(const struct timeval *delta, struct timeval *old)
{
    (void)delta, (void)old;
    violation("adjtime");
}

/* ---- waiting ------------------------------------------------------------------------------------------------ */

static struct socket *simulated(int fd, const char *call)
{
    if (fd < FIRST_FD || fd >= FIRST_FD + MAX_SOCKETS || !sockets[fd - FIRST_FD].open)
        return NULL;
    enter(call);
    return &sockets[fd - FIRST_FD];
}

/* The first descriptor with news, and it alone. */
static int look(struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd < 0)
            continue;
        struct socket *s = simulated(fds[i].fd, "poll");
        int news = !s ? POLLIN : (s->waiting ? POLLIN : 0) | (s->stamps ? POLLPRI : 0) | POLLOUT;
        /* A socket shows one thing at a time too. */
        fds[i].revents = (short)(fds[i].events & news & POLLPRI ? POLLPRI : fds[i].events & news);
        if (fds[i].revents)
            return 1;
    }
    return 0;
}

/* Waits for `wanted` ns of the daemon's own; negative: for ever. */
static int wait_for(struct pollfd *fds, nfds_t count, nanos wanted)
{
    static nanos last;
    static int idle, late;
    enter("poll");
    polls++;
    if (dying && late++ > 10)
        violation("poll again after SIGTERM");
    for (nfds_t i = 0; i < count; i++)
        fds[i].revents = 0;
    run(now + glance, 0);
    /* The kernel's timer runs by the monotonic clock; it never fires early. */
    nanos begin = now, wait = INT64_MAX / 4;
    if (wanted >= 0)
        wait = (nanos)ceil((double)wanted / (1 + rate_error())) + 1;
    int ready = look(fds, count);
    while (!ready && now < begin + wait && wanted != 0) {
        int signalled = dying;
        run(begin + wait, 1);
        if (dying && !signalled) {
            errno = EINTR;
            return -1;
        }
        ready = look(fds, count);
    }
    idle = now - last < NANOS / 1000 ? idle + 1 : 0;
    if (idle == 0)
        last = now;
    if (idle > MAX_IDLE_TURNS)
        violation("the program spins: %d polls within a millisecond", idle);
    return ready;
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    return wait_for(fds, count, timeout < 0 ? -1 : (nanos)timeout * 1000000);
}

int select(int count, fd_set *reading, fd_set *writing, fd_set *special, struct timeval *timeout)
{
    struct pollfd fds[64];
    nfds_t used = 0;
    for (int fd = 0; fd < count; fd++) {
        int events = (reading && FD_ISSET(fd, reading) ? POLLIN : 0) | (writing && FD_ISSET(fd, writing) ? POLLOUT : 0) |
                     (special && FD_ISSET(fd, special) ? POLLPRI : 0);
        if (events && used < 64)
            fds[used++] = (struct pollfd){.fd = fd, .events = (short)events};
    }
    int result = wait_for(fds, used, timeout ? timeout->tv_sec * NANOS + timeout->tv_usec * 1000 : -1);
    for (nfds_t i = 0; i < used && result >= 0; i++) {
        if (reading && !(fds[i].revents & POLLIN))
            FD_CLR(fds[i].fd, reading);
        if (writing && !(fds[i].revents & POLLOUT))
            FD_CLR(fds[i].fd, writing);
        if (special && !(fds[i].revents & POLLPRI)) /* the queue of errors, where a sender's stamps wait */
            FD_CLR(fds[i].fd, special);
    }
    return result;
}

int nanosleep(const struct timespec *wanted, struct timespec *left)
{
    enter("nanosleep");
    if (left)
        *left = (struct timespec){0};
    run(now + wanted->tv_sec * NANOS + wanted->tv_nsec, 0);
    return 0;
}

/* ---- sockets ------------------------------------------------------------------------------------------------ */

static int refuse(int error)
{
    errno = error;
    return -1;
}

int socket(int domain, int type, int protocol)
{
    enter("socket");
    if (domain != AF_INET || type != SOCK_DGRAM || (protocol != 0 && protocol != IPPROTO_UDP))
        return refuse(EINVAL); /* also with SOCK_CLOEXEC and SOCK_NONBLOCK; also AF_INET6 and AF_UNIX */
    for (int i = 0; i < MAX_SOCKETS; i++) {
        if (!sockets[i].open) {
            memset(&sockets[i], 0, sizeof sockets[i]);
            sockets[i].open = 1;
            return FIRST_FD + i;
        }
    }
    violation("more than %d sockets", MAX_SOCKETS);
}

int close(int fd)
{
    struct socket *s = simulated(fd, "close");
    if (!s)
        return ((int (*)(int))kernel("close"))(fd);
    s->open = 0;
    return 0;
}

static int port_taken(uint32_t address, uint16_t port, int reuse)
{
    for (struct socket *s = sockets; s < sockets + MAX_SOCKETS; s++)
        if (s->open && s->port == port && (!s->address || !address || s->address == address) && !(reuse && s->reuse))
            return 1;
    return 0;
}

static int take_port(struct socket *s, uint32_t address, uint16_t port)
{
    if (port == 0)
        do
            port = (uint16_t)(32768 + bits(PORTS) % 28000);
        while (port_taken(0, port, 0));
    else if (port_taken(address, port, s->reuse))
        return refuse(EADDRINUSE);
    s->address = address;
    s->port = port;
    return 0;
}

static const struct sockaddr_in *inet(const struct sockaddr *address, socklen_t len)
{
    return address && len >= sizeof(struct sockaddr_in) && address->sa_family == AF_INET ? (const void *)address : NULL;
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    struct socket *s = simulated(fd, "bind");
    const struct sockaddr_in *in = inet(address, len);
    if (!s || !in || s->bound)
        return refuse(s ? EINVAL : EBADF);
    uint32_t host = ntohl(in->sin_addr.s_addr);
    if (host != 0 && host != OURS && host != INADDR_LOOPBACK)
        return refuse(EADDRNOTAVAIL);
    s->bound = 1;
    return take_port(s, host, ntohs(in->sin_port));
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    struct socket *s = simulated(fd, "connect");
    const struct sockaddr_in *in = inet(address, len);
    if (!s || !in)
        return refuse(s ? EINVAL : EBADF);
    s->remote = ntohl(in->sin_addr.s_addr);
    s->remote_port = ntohs(in->sin_port);
    s->connected = 1;
    if (s->port)
        return 0;
    return take_port(s, OURS, 0);
}

static void tell(struct sockaddr *address, socklen_t *len, uint32_t host, uint16_t port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(host)};
    memcpy(address, &in, *len < sizeof in ? *len : sizeof in);
    *len = sizeof in;
}

int getsockname(int fd, struct sockaddr *restrict address, socklen_t *restrict len)
{
    simulated(fd, "getsockname");
    (void)address, (void)len;
    return refuse(EINVAL); /* not every simulator knows it */
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    struct socket *s = simulated(fd, "setsockopt");
    int number = 0;
    if (!s || len < sizeof number)
        return refuse(s ? EINVAL : EBADF);
    memcpy(&number, value, sizeof number);
    if (level == SOL_SOCKET && (option == SO_REUSEADDR || option == SO_REUSEPORT))
        s->reuse = number;
    else if (level == SOL_SOCKET && option == SO_TIMESTAMPING)
        s->stamping = number, s->sent = 0;
    else if (level == IPPROTO_IP && option == IP_PKTINFO)
        s->packet_info = number;
    else if (!(level == SOL_SOCKET && (option == SO_BROADCAST || option == SO_TIMESTAMP || option == SO_TIMESTAMPNS ||
                                       option == SO_SELECT_ERR_QUEUE)) &&
             !(level == IPPROTO_IP && (option == IP_FREEBIND || option == IP_TOS)))
        return refuse(EINVAL);
    return 0; /* SO_TIMESTAMP and SO_TIMESTAMPNS are taken, and nothing ever comes of them */
}

int getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict len)
{
    if (!simulated(fd, "getsockopt") || level != SOL_SOCKET || *len < sizeof(int))
        return refuse(EINVAL);
    int number = option == SO_TYPE ? SOCK_DGRAM : 0;
    memcpy(value, &number, sizeof number);
    *len = sizeof number;
    return 0;
}

static int control_descriptor(int fd, int command, long argument, const char *call)
{
    struct socket *s = simulated(fd, call);
    if (!s)
        return ((int (*)(int, int, ...))kernel("fcntl"))(fd, command, argument);
    switch (command) {
    case F_GETFD: case F_SETFD: return 0;
    case F_GETFL: return O_RDWR | (s->non_blocking ? O_NONBLOCK : 0);
    case F_SETFL: s->non_blocking = !!(argument & O_NONBLOCK); return 0;
    default: violation("%s command %d on a socket", call, command);
    }
}

#define FCNTL(NAME)                                                       \
    int NAME(int fd, int command, ...)                                    \
    {                                                                     \
        va_list rest;                                                     \
        va_start(rest, command);                                          \
        long argument = va_arg(rest, long);                               \
        va_end(rest);                                                     \
        return control_descriptor(fd, command, argument, #NAME);          \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct socket *s = simulated(fd, "sendmsg");
    (void)flags;
    if (!s)
        return refuse(EBADF);
    if (message->msg_iovlen != 1)
        violation("sendmsg with %zu iovecs", message->msg_iovlen);
    const struct iovec *part = message->msg_iov;
    if (part->iov_len > MAX_BYTES)
        return refuse(EMSGSIZE);
    const struct sockaddr_in *to = inet(message->msg_name, message->msg_namelen);
    if (!to && !s->connected)
        return refuse(EDESTADDRREQ);
    if (!s->port)
        take_port(s, 0, 0);
    struct packet packet = {
        .from = OURS, .from_port = s->port, .len = (int)part->iov_len,
        .to = to ? ntohl(to->sin_addr.s_addr) : s->remote, .to_port = to ? ntohs(to->sin_port) : s->remote_port,
    };
    memcpy(packet.bytes, part->iov_base, part->iov_len);
    run(now + glance, 0);
    int want = SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    if ((s->stamping & want) == want && s->stamps < QUEUE) {
        struct packet stamped = packet;
        stamped.at = realtime.whole;
        stamped.serial = s->sent++;
        s->errors[s->stamps++] = stamped;
    }
    if (packet.to == CLIENT)
        check_answer(&packet);
    else
        sent++;
    launch(packet, now, packet.to);
    return (ssize_t)part->iov_len;
}

ssize_t sendto(int fd, const void *bytes, size_t len, int flags, const struct sockaddr *to, socklen_t to_len)
{
    struct iovec part = {(void *)bytes, len};
    struct msghdr message = {.msg_name = (void *)to, .msg_namelen = to_len, .msg_iov = &part, .msg_iovlen = 1};
    return sendmsg(fd, &message, flags);
}

ssize_t send(int fd, const void *bytes, size_t len, int flags) { return sendto(fd, bytes, len, flags, NULL, 0); }

static size_t attach(struct msghdr *message, size_t used, int level, int type, const void *value, size_t len)
{
    struct cmsghdr header = {.cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type};
    uint8_t *at = (uint8_t *)message->msg_control + used;
    if (used + CMSG_SPACE(len) > message->msg_controllen)
        violation("recvmsg with only %zu bytes for control messages", message->msg_controllen);
    memset(at, 0, CMSG_SPACE(len));
    memcpy(at, &header, sizeof header);
    memcpy(at + CMSG_LEN(0), value, len);
    return used + CMSG_SPACE(len);
}

static ssize_t take(struct socket *s, struct msghdr *message, int flags)
{
    int errors = flags & MSG_ERRQUEUE, *count = errors ? &s->stamps : &s->waiting;
    struct packet *queue = errors ? s->errors : s->queue, packet = queue[0];
    if (*count == 0) {
        if (!errors && !s->non_blocking && !(flags & MSG_DONTWAIT))
            violation("a receive that would wait for ever");
        return refuse(EAGAIN);
    }
    memmove(queue, queue + 1, (size_t)--*count * sizeof *queue);
    uint8_t frame[FRAME + MAX_BYTES] = {0};
    size_t before = errors ? FRAME : 0, len = before + (size_t)packet.len, room = message->msg_iov->iov_len;
    memcpy(frame + before, packet.bytes, (size_t)packet.len);
    memcpy(message->msg_iov->iov_base, frame, len < room ? len : room);
    message->msg_flags = (len > room ? MSG_TRUNC : 0) | errors;
    if (message->msg_name && !errors)
        tell(message->msg_name, &message->msg_namelen, packet.from, packet.from_port);
    else
        message->msg_namelen = 0;
    size_t used = 0;
    if (errors || (s->stamping & SOF_TIMESTAMPING_RX_SOFTWARE && s->stamping & SOF_TIMESTAMPING_SOFTWARE)) {
        struct timespec stamps[3] = {{packet.at / NANOS, packet.at % NANOS}};
        used = attach(message, used, SOL_SOCKET, SCM_TIMESTAMPING, stamps, sizeof stamps);
    }
    if (s->packet_info && !errors) {
        struct in_pktinfo info = {.ipi_ifindex = 1, .ipi_addr.s_addr = htonl(packet.to)};
        used = attach(message, used, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
    if (errors) {
        struct sock_extended_err error = {.ee_errno = ENOMSG, .ee_origin = SO_EE_ORIGIN_TIMESTAMPING};
        if (s->stamping & SOF_TIMESTAMPING_OPT_ID)
            error.ee_data = (uint32_t)packet.serial;
        used = attach(message, used, IPPROTO_IP, IP_RECVERR, &error, sizeof error);
    }
    message->msg_controllen = used;
    return (ssize_t)(len < room ? len : room);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    struct socket *s = simulated(fd, "recvmsg");
    if (!s)
        return refuse(EBADF);
    if (message->msg_iovlen != 1)
        violation("recvmsg with %zu iovecs", message->msg_iovlen);
    if ((s->packet_info || s->stamping) && (!message->msg_control || message->msg_controllen < 256))
        violation("recvmsg with %zu bytes for control messages, and options that send some", message->msg_controllen);
    return take(s, message, flags);
}

ssize_t recvfrom(int fd, void *restrict bytes, size_t len, int flags, struct sockaddr *restrict from,
                 socklen_t *restrict from_len)
{
    struct iovec part = {bytes, len};
    struct msghdr message = {.msg_name = from, .msg_namelen = from_len ? *from_len : 0, .msg_iov = &part, .msg_iovlen = 1};
    ssize_t result = recvmsg(fd, &message, flags);
    if (from_len)
        *from_len = message.msg_namelen;
    return result;
}

ssize_t recv(int fd, void *bytes, size_t len, int flags) { return recvfrom(fd, bytes, len, flags, NULL, NULL); }

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout)
{
    ssize_t len = count == 0 || timeout ? refuse(EINVAL) : recvmsg(fd, &messages->msg_hdr, flags);
    if (len >= 0)
        messages->msg_len = (unsigned)len;
    return len < 0 ? -1 : 1;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags)
{
    (void)fd, (void)messages, (void)count, (void)flags;
    return refuse(EINVAL);
}

/* What works on files and pipes, but not on a simulated socket. */
#define FILES_ONLY(TYPE, NAME, PARAMETERS, ARGUMENTS)                     \
    TYPE NAME PARAMETERS                                                  \
    {                                                                     \
        if (simulated(fd, #NAME))                                         \
            violation(#NAME " on a socket");                              \
        return ((TYPE(*) PARAMETERS)kernel(#NAME))ARGUMENTS;              \
    }
FILES_ONLY(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len))
FILES_ONLY(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len))
FILES_ONLY(ssize_t, readv, (int fd, const struct iovec *parts, int count), (fd, parts, count))
FILES_ONLY(ssize_t, writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
FILES_ONLY(int, dup, (int fd), (fd))
FILES_ONLY(int, dup2, (int fd, int other), (fd, other))

/* ---- names: node1 … are the servers ------------------------------------------------------------------------- */

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict result)
{
    (void)service, (void)hints;
    unsigned index = 0;
    if (!node || sscanf(node, "node%u.", &index) != 1 || index == 0 || index > (unsigned)servers)
        return EAI_NONAME;
    struct { struct addrinfo info; struct sockaddr_in in; } *answer = calloc(1, sizeof *answer);
    answer->in = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(SERVERS + index)};
    answer->info = (struct addrinfo){.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM, .ai_addrlen = sizeof answer->in,
                                     .ai_addr = (void *)&answer->in};
    *result = &answer->info;
    return 0;
}

void freeaddrinfo(struct addrinfo *answer) { free(answer); }

/* ---- chance, and the back door ------------------------------------------------------------------------------ */

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
    (void)flags;
    enter("getrandom");
    for (size_t i = 0; i < len; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)(bits(ENTROPY) >> 56);
    return (ssize_t)len;
}

long syscall(long which, ...)
{
    va_list rest;
    long a[6];
    va_start(rest, which);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(rest, long);
    va_end(rest);
    switch (which) {
    case SYS_clock_adjtime: return clock_adjtime((clockid_t)a[0], (struct timex *)a[1]);
    case SYS_getrandom: return getrandom((void *)a[0], (size_t)a[1], (unsigned)a[2]);
    case SYS_futex:
        if (((a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT || (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) && a[3])
            violation("a timed wait for a lock: it goes by the real clock");
        break;
    case SYS_gettid: break;
    default: violation("syscall(%ld)", which);
    }
    return ((long (*)(long, ...))kernel("syscall"))(which, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Calls that would reach the real clock or the real network. Their types do not matter: they never return. */
#define UNKNOWN(NAME)                                                     \
    void unknown_##NAME(void) __asm__(#NAME);                             \
    void unknown_##NAME(void) { violation(#NAME ": simulators do not know it"); }
UNKNOWN(accept) UNKNOWN(accept4) UNKNOWN(listen) UNKNOWN(socketpair)
UNKNOWN(ppoll) UNKNOWN(pselect) UNKNOWN(epoll_create) UNKNOWN(epoll_create1) UNKNOWN(epoll_wait) UNKNOWN(epoll_pwait)
UNKNOWN(clock_nanosleep) UNKNOWN(timer_create) UNKNOWN(timerfd_create) UNKNOWN(setitimer) UNKNOWN(alarm)
UNKNOWN(eventfd) UNKNOWN(signalfd) UNKNOWN(pthread_cond_timedwait) UNKNOWN(pthread_cond_clockwait)
UNKNOWN(sem_timedwait) UNKNOWN(sem_clockwait) UNKNOWN(stime) UNKNOWN(usleep) UNKNOWN(sleep)
