# Cards that stamp packets, where there are none: a pair of virtual cards has the kernel's stamps only.
ip link add va type veth peer name vb && ip addr add 10.5.5.1/24 dev va && ip link set va up && ip link set vb up || echo "no veth here"
try() { printf 'pidfile %s/t.pid\nbindcmdaddress /\ncmdport 0\nport 0\n' "$DIR" >t.conf; printf '%b\n' "$@" >>t.conf; echo "== $*" | mask; run chronyd -x -d -U -u root -t 0.2 -f "$DIR/t.conf"; }
try "hwtimestamp va"
try "hwtimestamp nosuch"
try "hwtimestamp va rxfilter ntp nocrossts minpoll 0"
try "hwtimestamp va rxfilter foo"
try "hwtimestamp *"
try "refclock PHC /dev/ptp77"
try "refclock PPS /dev/pps77"
try "rtcdevice /dev/rtc77" "rtcfile $DIR/rtc"
# Everybody is stamped by the kernel instead.
upstream 11124
conf main <<E
cmdport 0
port 11123
allow 127/8
hwtimestamp *
server 127.0.0.1 port 11124 iburst minpoll 0 maxpoll 0
E
start main
until_ 30 synchronised
c -c ntpdata 127.0.0.1 | awk -F, -v OFS=, 'NF > 29 { print $1, $3, $24, $25, $29, $30; next } 1'
until_ 30 samples 4
c ntpdata 127.0.0.1 | grep timestamping
nstop main
