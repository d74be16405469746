# What every scenario begins with. DIR is an empty folder with bin/chronyd and bin/chronyc in it; the namespace has
# nothing but a loopback. Everything printed is compared between chrony and Timeball.
cd "$DIR" || exit 9
export PATH="$DIR/bin:$PATH" LC_ALL=C TZ=UTC
umask 022
S="$DIR/run/chronyd.sock"
# How much longer than usual everything may take: more than 1 when a scenario is played again.
PATIENCE=${PATIENCE:-1}
[ "$PATIENCE" = 1 ] || sleep() { command sleep "$(awk "BEGIN { print $1 * $PATIENCE }")"; }

# mask: hides what may differ between two runs of one program (times, folders, pids), nothing else.
mask() {
    sed -E -e 's/^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z /TIME /' -e "s#$DIR#DIR#g" \
        -e 's/^(TIME )?chronyd version .*/\1chronyd version starting/' -e 's/pid=[0-9]+/pid=PID/' \
        -e 's/^Fatal error : //' -e 's/Invalid directive [^ ]+ at/Invalid directive at/' -e 's/^TIME (DIR[^ ]*:[0-9]+|argument [0-9]+): /TIME /'
}

# numbers: hides measured values but not how many digits they are printed with.
numbers() {
    sed -E -e ':a' -e 's/(\.9*)[0-8]/\19/' -e 'ta' -e 's/[-+]?[0-9]+(\.9+)(e[-+][0-9]+)?/N\1/g' \
        -e 's/[-+ 0-9]{4}[0-9](ns|us|ms|s)/     N/g' -e 's/ (seconds|ppm) (slow|fast)/ \1 either/'
}

# run COMMAND...: what it prints on both streams, and its status.
run() {
    echo "\$ $*" | mask
    "$@" >"$DIR/.out" 2>"$DIR/.err" </dev/null
    local status=$?
    mask <"$DIR/.out" | sed 's/^/  /'
    mask <"$DIR/.err" | sed 's/^/! /'
    echo "= $status"
}

# c WORDS...: the command line over the command socket.
c() { run chronyc -h "$S" -n "$@"; }

# n WORDS...: the same with the measured values hidden.
n() { c "$@" | numbers; }

# conf NAME: a configuration from standard input, with our own places.
conf() {
    { echo "pidfile $DIR/$1.pid"; [ "$1" = main ] && echo "bindcmdaddress $S"; cat; } >"$1.conf"
}

# ready NAME: its pid file (and for `main` its socket) is there, and SIGTERM would end it in order.
ready() {
    { [ "$1" != main ] || [ -S "$S" ]; } && orderly "$1"
}
orderly() {
    local pid caught; pid=$(cat "$1.pid" 2>/dev/null)
    [ "$pid" = "$(eval "echo \$PID_$1")" ] || return 1
    caught=$(sed -n 's/^SigCgt:.*\(....\)$/\1/p' "/proc/$pid/status" 2>/dev/null)
    (( 0x${caught:-0} & 0x4000 ))
}

# gone PID: that process has ended.
gone() { ! kill -0 "$1" 2>/dev/null; }

# start NAME OPTIONS...: starts a daemon and waits until it is ready, or has ended.
start() {
    local name=$1; shift
    "${DAEMON:-chronyd}" -x -d -U -u root -f "$name.conf" "$@" >"$name.out" 2>"$name.err" &
    eval "PID_$name=$!"
    local i
    for i in $(seq 200); do
        ready "$name" && return
        kill -0 "$(eval "echo \$PID_$name")" 2>/dev/null || break
        sleep 0.05
    done
    echo "$name did not start"
}

# stop NAME SIGNAL: ends it and prints its status and all it said.
stop() {
    local pid; pid=$(eval "echo \$PID_$1")
    kill -"${2:-TERM}" "$pid" 2>/dev/null
    wait "$pid"
    echo "$1 ended with $?"
    said "$1"
}

# nstop NAME: the same with the measured values hidden.
nstop() { stop "$1" >.stop; numbers <.stop; }

said() { mask <"$1.err"; sed 's/^/stdout: /' "$1.out"; }

# upstream PORT: a real chronyd that serves its own clock, whoever is tested.
upstream() {
    printf 'local stratum %s\nallow\nport %s\ncmdport 0\nbindcmdaddress /\npidfile %s/up%s.pid\n%s\n' \
        "${2:-5}" "$1" "$DIR" "$1" "${3:-}" >"up$1.conf"
    /usr/sbin/chronyd -x -d -U -u root -f "up$1.conf" >"up$1.out" 2>&1 &
    local i
    for i in $(seq 200); do [ -s "up$1.pid" ] && break; sleep 0.05; done
    UP="${UP:-} $!"
}

# until_ SECONDS COMMAND...: waits until it succeeds. The seconds only bound the wait; be generous.
until_() {
    local i limit=$1; shift
    for i in $(seq $((limit * 10))); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done
    echo "never: $*"
}

# tree: every file but ours with type, mode and owner.
tree() {
    find . -mindepth 1 \( -name 'bin' -o -name '.*' -o -name '*.conf' -o -name '*.err' -o -name '*.out' -o -name 'up*' \) -prune \
        -o -printf '%y %m %u:%g %p\n' | sort -k4
}

trap 'for p in ${UP:-} ${PID_main:-} ${PID_other:-}; do kill $p 2>/dev/null; done' EXIT

# The command line over the command socket, for conditions: nothing is printed or compared.
ask_() { chronyc -h "$S" -n "$@"; }
synchronised() { ask_ waitsync 1; }
# samples COUNT: the first source has that many.
samples() { [ "$(ask_ -c sourcestats | awk -F, 'NR == 1 { print $2 }')" -ge "$1" ]; }
no_burst() { ask_ -c activity | awk -F, '{ exit $3 + $4 > 0 }'; }
