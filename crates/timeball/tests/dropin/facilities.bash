# A daemon that has what most have not: keys, time set by hand, smoothing, clients, a reference of its own.
printf '1 SHA1 HEX:1DC764E0791B11FA67EFC7ECBC4B0D73F68A070C\n7 MD5 ASCII:abcdef\n9 AES128 HEX:00112233445566778899aabbccddeeff\n' >keys
chmod 640 keys
conf main <<E2
cmdport 11323
port 11123
keyfile $DIR/keys
server 127.0.0.1 port 9 offline key 1
server 127.0.0.2 port 9 offline key 7
peer 127.0.0.3 port 9 offline key 9
server 127.0.0.4 port 9 offline key 44 noselect
server foo.invalid offline
refclock SHM 9999 refid ABCD noselect
manual
smoothtime 400 0.01 leaponly
local stratum 6
allow 127/8
cmdallow 127/8
logdir $DIR/log
log tracking statistics
dumpdir $DIR/dump
E2
start main
# Two clients of the server, one of which also asks for a report.
hello() (
    exec 3<>"/dev/udp/$1/11123"
    printf "$(printf '23000620%072dc1c2c3c4c5c6c7c8' 0 | sed 's/../\\x&/g')" >&3
    timeout 20 dd bs=2000 count=1 <&3 2>/dev/null | wc -c
)
hello 127.0.0.1; hello 127.0.0.1; hello ::1
run chronyc -h 127.0.0.1 -p 11323 -n activity
run chronyc -h 127.0.0.1 -p 11323 -n selectdata | numbers
# What is measured since an event may differ by a second, and how fast two requests follow each other by the machine.
ago() { sed -E '/,/!{s/ -[0-9]/  -/g; s/[0-2]/N/g}' | awk -F, -v OFS=, 'NF == 10 { $4 = $5 = $9 = "i"; if ($6 < 3) $6 = "now"; if ($10 < 3) $10 = "now" } 1'; }
for words in "clients" "clients -p 2" "clients -p 3" "clients -k" "-c clients" "-c clients -k" "-c clients -p 2" \
    "clients -r" "clients -p 1" "clients -x" "clients -p"; do
    n $words | ago
done
while read -r line; do
    case $line in ?*) n $line | sed -E 's/(Ref time.*: ).*/\1WHEN/; s/HEX:[0-9A-F]{40}/HEX/; s/^(  7F7F0101,,[0-9]+,)[0-9]+/\1WHEN/' ;; esac
done <<E2
tracking
sources
-c sources
sources -a
-N sources
-N -c sources -a
sourcestats
-N sourcestats -a
selectdata
-c selectdata -a
-N selectdata
authdata
-c authdata
-N authdata -a
-c ntpdata 127.0.0.1
ntpdata ID#0000000001
sourcename 127.0.0.3
sourcename ID#0000000001
sourcename foo.invalid
-c activity
smoothing
-c smoothing
smoothtime activate
smoothing
smoothtime reset
smoothing
smoothtime
smoothtime on
rtcdata
-c rtcdata
trimrtc
writertc
manual list
-c manual list
settime foo
settime 99:99
manual off
settime 12:00
manual on
manual list
manual reset
manual delete 0
manual delete
manual delete x
manual delete -1
rekey
add server 127.0.0.8 key 1 offline minpoll 3 maxpoll 9
add server 127.0.0.9 key 77 offline
add peer 127.0.0.8 offline
add server 127.0.0.10 offline minpoll -7
add server 127.0.0.11 offline filter 4 xleave copy extfield F323
add server 127.0.0.12 offline extfield XYZ
add server 127.0.0.13 offline version 4 presend 9 maxdelay 0.1 mindelay 0.01 asymmetry 0.2 offset 0.1
add server 127.0.0.14 auto_offline iburst burst
add server 127.0.0.15 offline port 70000
delete 127.0.0.15
add pool 127.0.0.17 offline
add server baz.invalid offline
add server
add
authdata
-c sources -a
sourcename 127.0.0.8
minpoll 127.0.0.8 4
maxpoll 127.0.0.8 8
maxpoll 127.0.0.8
maxpoll 127.0.0.8 x
maxpoll nosuch.invalid 8
maxdelay 127.0.0.99 1
maxdelayratio 127.0.0.8 x
maxdelaydevratio 127.0.0.99 2
maxdelaydevratio 127.0.0.8 x
minstratum 127.0.0.99 2
minstratum 127.0.0.8 x
polltarget 127.0.0.99 8
polltarget 127.0.0.8 x
maxupdateskew
reselectdist
online ABCD
offline 127.0.0.14
online
activity
offline
onoffline x
offline
-c activity
burst
burst 1/1 foo/bar
burst 0/0 127.0.0.1
delete 127.0.0.8
delete ABCD
delete 127.0.0.1 127.0.0.2
delete 127.0.0.2
-c sources
refresh x
refresh
reselect x
reset
reset x
reload
accheck 127.0.0.1
accheck 128.0.0.1
accheck ::1
accheck localhost
accheck x y
cmdaccheck 127.0.0.1
cmdaccheck 127.0.0.5
cmdaccheck 128.0.0.1
cmdaccheck ::2
cmdaccheck
allow 10/8 x
cmdallow 10/8
cmdaccheck 10.1.1.1
cmddeny 10.1/16
cmdaccheck 10.1.1.1
cmddeny all
cmdaccheck 127.0.0.5
cmdallow ::/0
cmdaccheck ::2
local off
tracking
local stratum 9
-c tracking
local stratum
local stratum 5 x
local off x
makestep 0.1
makestep 0.1 -1
maxupdateskew 10
dfreq
doffset
waitsync 1 x
waitsync 1 0.5 100
-c waitsync 1 0.5 100
waitsync 1 0 0 0
cyclelogs x
dump x
dns
dns -6
dns -46
dns +n
timeout
retries
retries x
keygen x
keygen 3 SHA256
keygen 3 sha1
exit now
quit x
password
authhash
E2
# What is set by hand: the times differ, the texts do not.
by_hand() { sed -E 's/[A-Z][a-z]{2} [0-9]{2}, [0-9]{4} [0-9:]{8}/DATE/; s/[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}/DATE/g; s/[-+ ]*[0-9]+\.[0-9]{2}/ N/g'; }
run chronyc -h "$S" settime "$(date -u -d '+1 second' '+%Y-%m-%d %H:%M:%S')" | by_hand
c manual list | by_hand
c -c manual list | by_hand
c manual delete 1 | by_hand
c manual delete 0 | by_hand
c manual list | by_hand
run chronyc -h "$S" settime "$(date -u -d '+1 second' '+%b %d, %Y %H:%M:%S')" | by_hand
c manual reset
c manual list
# A session: each line as a person or a script would type it; what a line changes holds for the next.
session() { printf '%s\n' "$@" >.in; echo "\$ session: $*" | mask; chronyc -h "$S" <.in >.out 2>.err; local s=$?; mask <.out | sed 's/^/  /'; mask <.err | sed 's/^/! /'; echo "= $s"; }
session 'dns -n' 'dns -4' 'sourcename 127.0.0.3' 'dns -6' 'dns -46' 'accheck 127.0.0.1' 'dns foo' 'dns' | numbers
session 'timeout 100' 'retries 0' 'timeout 99' 'retries 31' 'retries' 'timeout' 'activity'
session '  activity' 'activity  ' '	sourcename   127.0.0.3' ';x' '! x' '% x' '#' '' 'Activity' 'foo'
session 'quit' 'activity'
session 'exit' 'foo'
session 'foo' 'exit'
session 'keygen 1 MD5 8 x' 'shutdown now x' | head -2
nstop main
c tracking
run chronyc -h "$DIR/no/such/socket" activity
run chronyc -h 127.0.0.1 -p 9 -c activity
run chronyc -h 256.256.256.256 activity
run chronyc -h 127.0.0.1,256.256.256.256 -p 9 activity
run chronyc -p x activity
