conf main <<E
cmdport 0
port 11123
allow 127/8
E
# ask HEX: sends a datagram and prints the header of the answer; the stamps are only shown as set or not. A request
# that is always answered follows on the same socket, so that nobody has to guess how long no answer takes: what came
# before its answer is the answer to the first. PATIENTLY is for how long when not even that is to be answered.
FOLLOWING=$(printf '23000620%072dc1c2c3c4c5c6c7c8' 0)
ask() (
    exec 3<>/dev/udp/127.0.0.1/11123
    local datagram hex= got= stamps= i
    for datagram in "$1" "$FOLLOWING"; do printf "$(printf %s "$datagram" | sed 's/../\\x&/g')" >&3; done 2>/dev/null
    for i in 1 2 3; do
        got=$(timeout "${PATIENTLY:-20}" dd bs=2000 count=1 <&3 2>/dev/null | od -An -v -tx1 | tr -d ' \n')
        [ -z "$got" ] || [ "${got:48:16}" = c1c2c3c4c5c6c7c8 ] && break
        hex+=$got
    done
    exec 3>&-
    [ -n "$got" ] || [ -n "${PATIENTLY:-}" ] || echo "nothing is answered any more"
    for i in 16 24 32 40; do [ -n "$hex" ] && case ${hex:$((2 * i)):16} in 0000000000000000) stamps+=0;; 1122334455667788) stamps+=o;; *) stamps+=s;; esac; done
    echo "${#1} $2 -> ${#hex} ${hex:0:6} ${hex:8:24} $stamps"
)
head() { printf '%s000620%072d1122334455667788' "$1" 0; } # first byte, poll 6, precision 32; no byte may be a newline, at which bash would end the datagram
z() { printf "%0$(($1 * 2))d" 0; }
all() {
    for first in 23 1b 13 0b 08 03 e3 2b 33 3b 24 25 26 27 22 21 20 19 11 18 10 00 db a3 63; do ask "$(head $first)" "first $first"; done
    for poll in 80 ff 00 7f 06; do ask "2300${poll}20$(z 36)1122334455667788" "poll $poll"; done
    ask "2300" short; ask "$(head 23 | cut -c1-94)" 47; ask "$(head 23)00" 49; ask "$(head 23)0000" 50
    for n in 4 8 12 16 20 24 28 32 64 1088 1092 1096; do ask "$(head 23)$(z $n)" "trailing $n"; done
    for n in 16 20 24 28 32 64; do ask "$(head 23)0101$(printf %04x $n)$(z $((n - 4)))" "field $n"; ask "$(head 23)f323$(printf %04x $n)f5bedd9a$(z $((n - 8)))" "f323 $n"; done
    ask "$(head 23)01010010$(z 12)0101001c$(z 24)" "16+28"; ask "$(head 23)0101001e$(z 28)" "length 30"; ask "$(head 23)01010040$(z 28)" "length beyond"
    ask "$(head 23)00000000" nak; ask "$(head 23)00000001$(z 16)" md5; ask "$(head 23)00000001$(z 20)" sha1
    ask "$(head 1b)0101001c$(z 24)" "v3 field"; ask "$(head 1b)00000001$(z 16)" "v3 mac"
    ask "23000620$(z 44)" "no transmit time"
}
start main; all; c local stratum 3; all; c deny all; PATIENTLY=0.5 ask "$(head 23)"; c allow; ask "$(head 23)"; stop main
