conf main <<E
cmdport 11323
port 11123
server 127.0.0.1 port 9 offline
server 127.0.0.2 port 9 offline prefer
server foo.invalid offline
driftfile $DIR/drift
dumpdir $DIR/dump
manual
allow 10.0.0.0/8
E
start main
# settle: until no burst is under way, of which the daemon would tell for a while.
while read -r line; do
    case $line in settle) until_ 30 no_burst ;; ?*) n $line ;; esac
done <<E
tracking
-c tracking
sources
sources -a
-c sources -a
sourcestats
-c sourcestats
selectdata
-c selectdata -a
authdata
-c authdata -a
ntpdata 127.0.0.1
-c ntpdata
ntpdata 127.0.0.9
activity
-c activity
serverstats
rtcdata
smoothing
sourcename 127.0.0.1
sourcename 127.0.0.9
sourcename ID#0000000001
-N sources -a
-m activity foo tracking
waitsync 1 0 0 0.1
waitsync 2 0.1 0.1 0.1
makestep
makestep 1
makestep 1 3
makestep a b
maxupdateskew 5
maxupdateskew x
reselect
reselectdist 0.001
reselectdist x
offset 127.0.0.1 0.1
offset 127.0.0.9 0.1
offset 127.0.0.1 x
offset ABCD 0.1
selectopts 127.0.0.1 +prefer -noselect
selectopts 127.0.0.9 +prefer
selectopts 127.0.0.1 +foo
minpoll 127.0.0.1 5
minpoll 127.0.0.1 50
minpoll 127.0.0.9 5
minpoll 127.0.0.1
minpoll 127.0.0.1 x
maxpoll 127.0.0.1 9
maxdelay 127.0.0.1 0.5
maxdelayratio 127.0.0.1 2
maxdelaydevratio 127.0.0.1 3.5
maxdelay 127.0.0.1 x
minstratum 127.0.0.1 3
polltarget 127.0.0.1 12
polltarget 127.0.0.1 0
add server 127.0.0.1
add server 127.0.0.3 offline minpoll 3 maxpoll 4 prefer
add peer 127.0.0.4 offline
add pool localhost offline
add pool bar.invalid offline maxsources 2
add server bad.invalid
add foo x
add server
add server 127.0.0.5 badoption
add server 127.0.0.5 key 0
add server 127.0.0.5 minpoll
add server ::1 offline
-c sources
-c sources -a
delete 127.0.0.3
delete 127.0.0.3
delete foo.invalid
delete
delete ID#0000000003
delete ID#0000009999
delete ::1
burst 1/1
burst 2/2 127.0.0.2
burst 4
burst 4/8 127.0.0.99
burst x/y
settle
offline 127.0.0.1
offline
online 127.0.0.0/255.0.0.0
online 127.0.0.0/8
online 255.255.255.0/127.0.0.0
online 9.9.9.9
online 127.0.0.1/33
offline foo/bar
offline
onoffline
offline
refresh
reload sources
reload foo
reload
reset sources
reset foo
manual on
manual off
manual list
manual delete 0
manual reset
manual foo
manual
settime foo
accheck 10.1.2.3
accheck 11.1.2.3
accheck foo.invalid
accheck
cmdaccheck 127.0.0.1
cmdaccheck 10.0.0.1
allow 1.2.3.4
allow 1.2/16
allow 1.2.3
allow all 3.0.0.0/8
allow
deny 1.2.3.4
deny all
deny
allow foo/3
allow 1.2.3.4/33
allow foo.invalid
allow ::1/129
allow fd00::/8
cmdallow 5/8
cmdallow all
cmddeny 5.0.0.0/8
cmddeny
cmdallow x
local
-c tracking
local stratum 5
local stratum 5 orphan distance 0.5
local stratum 16
local off
local foo
smoothtime reset
smoothtime activate
smoothtime foo
smoothtime
trimrtc
writertc
cyclelogs
dump
rekey
dfreq 1.5
dfreq x
doffset 0.001
doffset -0.001
doffset x
dns -n
dns foo
timeout 50
timeout x
timeout 200
retries 31
retries -1
retries 2
keygen 1 FOO
exit
quit
password foo
authhash MD5
foo
trackin
tracking foo
activity x
# comment
E
run chronyc -h "$S" -n -m 'tracking foo' 'bad' 'activity' | numbers
run chronyc -h "$S" -n "offline 127.0.0.1"
printf 'activity\nfoo\n\n# x\n' | chronyc -h "$S" -n >o 2>&1; echo "$?"; cat o
printf 'activity\nfoo' | chronyc -h "$S" -n >o 2>&1; echo "$?"; cat o; rm o
c keygen 5 MD5 80 | sed -E 's/[0-9A-F]{20}/KEY/'
run chronyc -h "$DIR/nosock" tracking
run chronyc -h 127.0.0.1 -p 9 tracking
run chronyc -h nosuch.invalid tracking
run chronyc -h 127.0.0.1 -p 11323 -n tracking | numbers
run chronyc -h ::1 -p 11323 -n -c activity
run chronyc -h "$S,127.0.0.1" -p 11323 -n -c activity
for w in sources sourcestats activity "sourcename 127.0.0.1" serverstats "ntpdata" selectdata authdata clients rtcdata smoothing "manual list" "waitsync 1 0 0 0.1" makestep shutdown "allow 1.2.3.4" "add server 1.2.3.4" offline dump cyclelogs "accheck 1.2.3.4" "local" rekey "reload sources"; do run chronyc -h 127.0.0.1 -p 11323 -n $w | numbers; done
stop main
cat drift
