/* A kernel's clock in memory, preloaded under a test: no call of it reaches the real clock.
 *
 * It models what adjtimex(2) promises and what kernel/time/ntp.c and timekeeping.c are known to do with it: the
 * order of the modes, the limits, which values are clamped and which refused, what stepping does to the status.
 * An oscillator that moves only when somebody looks (100 ns a reading) or sleeps makes every run the same. Sleeping
 * is instantaneous, and measured by the oscillator, not by the steered clock.
 *
 * Environment: FAKE_KERNEL=deny  nobody may steer;
 *              FAKE_KERNEL=old   no clock_adjtime, no ADJ_SETOFFSET;
 *              FAKE_KERNEL=pll   a phase-locked loop is found running.
 *
 * It signs each answer with a number in `stbcnt`, so that a test can make sure that it is in place.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#define SIGNATURE 0x74696d6562616c6cL /* "timeball" */
#define NANOS 1000000000LL
#define USER_HZ 100
#define MAX_FREQ (500L << 16)         /* MAXFREQ: 500 ppm */
#define PHASE_LIMIT 16000000L         /* NTP_PHASE_LIMIT: 16 s */
#define READING 100.0L                /* what a look at the clock takes, ns */

static long double oscillator = 0;                 /* ns since the start */
static long double monotonic = 1000.0L * NANOS;    /* ns, steered, never stepped */
static long double realtime = 1000000000.0L * NANOS; /* ns since 1970, steered and stepped */

static long tick = 1000000 / USER_HZ;
static long freq = 0;
static long offset = 0;
static long maxerror = PHASE_LIMIT;
static long esterror = PHASE_LIMIT;
static int status = STA_UNSYNC;
static int tai = 0;

static int mode_is(const char *name)
{
    const char *mode = getenv("FAKE_KERNEL");
    return mode && strcmp(mode, name) == 0;
}

__attribute__((constructor)) static void start(void)
{
    if (mode_is("pll")) {
        status = STA_PLL | STA_INS | STA_FREQHOLD;
        offset = 1234;
        freq = 10L << 16;
    }
}

static void elapse(long double nanos)
{
    long double rate = 1.0L + (tick * USER_HZ - 1000000) * 1e-6L + freq / 65536e6L;
    oscillator += nanos;
    monotonic += nanos * rate;
    realtime += nanos * rate;
}

static int fail(int number)
{
    errno = number;
    return -1;
}

/* ntp_clear(): a step makes all that was known about the error void. */
static void clear(void)
{
    offset = 0;
    status |= STA_UNSYNC;
    maxerror = esterror = PHASE_LIMIT;
}

static int set_realtime(long double nanos)
{
    if (nanos < 0 || nanos >= 8277292036.0L * NANOS) /* 2232: TIME_SETTOD_SEC_MAX */
        return fail(EINVAL);
    realtime = nanos;
    clear();
    return 0;
}

static void split(long double nanos, struct timespec *time)
{
    long long whole = (long long)nanos;
    time->tv_sec = whole / NANOS;
    time->tv_nsec = whole % NANOS;
}

static long clamp(long value, long low, long high)
{
    return value < low ? low : value > high ? high : value;
}

static void set_status(int wanted)
{
    if ((status & STA_PLL) && !(wanted & STA_PLL))
        status = STA_UNSYNC; /* and the pending offset stays */
    status = (status & STA_RONLY) | (wanted & ~STA_RONLY);
}

static int adjust(struct timex *t)
{
    unsigned int modes = t->modes;
    int nano = (modes & ADJ_NANO) != 0;
    struct timespec now;

    elapse(READING);
    if (modes && mode_is("deny"))
        return fail(EPERM);
    if ((modes & ADJ_TICK) && (t->tick < 900000 / USER_HZ || t->tick > 1100000 / USER_HZ))
        return fail(EINVAL);
    if (modes & ADJ_SETOFFSET) {
        if (mode_is("old") || t->time.tv_usec < 0 || t->time.tv_usec >= (nano ? 1000000000 : 1000000))
            return fail(EINVAL);
        if (set_realtime(realtime + (long double)t->time.tv_sec * NANOS + t->time.tv_usec * (nano ? 1.0L : 1e3L)))
            return -1;
    }

    if (modes & ADJ_STATUS)
        set_status(t->status);
    if (modes & ADJ_NANO)
        status |= STA_NANO;
    if (modes & ADJ_MICRO)
        status &= ~STA_NANO;
    if (modes & ADJ_FREQUENCY)
        freq = clamp(t->freq, -MAX_FREQ, MAX_FREQ);
    if (modes & ADJ_MAXERROR)
        maxerror = clamp(t->maxerror, 0, PHASE_LIMIT);
    if (modes & ADJ_ESTERROR)
        esterror = clamp(t->esterror, 0, PHASE_LIMIT);
    if ((modes & ADJ_TAI) && t->constant >= 0 && t->constant <= 100000)
        tai = t->constant;
    if ((modes & ADJ_OFFSET) && (status & STA_PLL))
        offset = t->offset;
    if (modes & ADJ_TICK)
        tick = t->tick;

    memset(t, 0, sizeof *t);
    t->offset = offset;
    t->freq = freq;
    t->maxerror = maxerror;
    t->esterror = esterror;
    t->status = status;
    t->precision = 1;
    t->tolerance = MAX_FREQ;
    split(realtime, &now);
    t->time.tv_sec = now.tv_sec;
    t->time.tv_usec = (status & STA_NANO) ? now.tv_nsec : now.tv_nsec / 1000;
    t->tick = tick;
    t->tai = tai;
    t->stbcnt = SIGNATURE;
    if (status & STA_UNSYNC)
        return TIME_ERROR;
    return status & STA_INS ? TIME_INS : status & STA_DEL ? TIME_DEL : TIME_OK;
}

int adjtimex(struct timex *t)
{
    return adjust(t);
}

int clock_adjtime(clockid_t clock, struct timex *t)
{
    if (mode_is("old"))
        return fail(ENOSYS);
    return clock == CLOCK_REALTIME ? adjust(t) : fail(EOPNOTSUPP);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    elapse(READING);
    switch (clock) {
    case CLOCK_REALTIME: split(realtime, time); return 0;
    case CLOCK_MONOTONIC: split(monotonic, time); return 0;
    case CLOCK_MONOTONIC_RAW: split(oscillator, time); return 0;
    default: return fail(EINVAL);
    }
}

int clock_settime(clockid_t clock, const struct timespec *time)
{
    if (mode_is("deny"))
        return fail(EPERM);
    if (clock != CLOCK_REALTIME || time->tv_nsec < 0 || time->tv_nsec >= NANOS)
        return fail(EINVAL);
    return set_realtime((long double)time->tv_sec * NANOS + time->tv_nsec);
}

int settimeofday(const struct timeval *time, const struct timezone *zone)
{
    (void)zone;
    struct timespec precise = { time->tv_sec, time->tv_usec * 1000 };
    return clock_settime(CLOCK_REALTIME, &precise);
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    time->tv_sec = precise.tv_sec;
    time->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

int nanosleep(const struct timespec *wanted, struct timespec *rest)
{
    (void)rest;
    elapse((long double)wanted->tv_sec * NANOS + wanted->tv_nsec);
    return 0;
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *wanted, struct timespec *rest)
{
    long double length = (long double)wanted->tv_sec * NANOS + wanted->tv_nsec;
    (void)rest;
    if (flags & TIMER_ABSTIME)
        length -= clock == CLOCK_REALTIME ? realtime : monotonic;
    elapse(length > 0 ? length : 0);
    return 0;
}
