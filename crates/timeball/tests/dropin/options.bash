run chronyd -v | sed 's/version .*/version/'
run chronyd --version | sed 's/version .*/version/'
for bad in -z --foo "-t" "-f"; do chronyd $bad >o 2>e; echo "$bad: $? $(grep -c . o | sed 's/[1-9].*/some/')"; done
run chronyd -d -x -U -u root -f "$DIR/missing"
run chronyd -p -f "$DIR/missing"
run chronyd -d -x -U -u root -t x "pidfile $DIR/p.pid"
run chronyd -d -x -U -u root -P 200 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /"
run chronyd -d -x -U -P -1 -t 0.1 -u root "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -d -x -U -u nosuchuser "pidfile $DIR/p.pid"
run chronyd -d -x -U "user nosuchuser2" "pidfile $DIR/p.pid"
run chronyd -d -x -U -L 9 -u root -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -d -x -U -L 1 -u root -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -d -x -U -L 0 -u root -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -d -x -U -u root -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0" "local stratum 3"
run chronyd -d -x -U -u root "server a" "foo bar"
run chronyd -p "server a" "foo bar" "server b"
run chronyd -p "server  a   iburst" "  pool   b"
run chronyd -x -d -U -u root -R -s -m -4 -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -x -d -U -u root -6r -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
run chronyd -t 0.2 "pidfile $DIR/p.pid" -x "cmdport 0" -d -U "bindcmdaddress /" -u root "port 0"
run chronyd -x -d -U -u root -l "$DIR/file.log" -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
mask <file.log
run chronyd -x -n -U -u root -l "$DIR/file.log" -t 0.2 "pidfile $DIR/p.pid" "cmdport 0" "bindcmdaddress /" "port 0"
mask <file.log
run chronyd -x -d -U -u root -l "$DIR/no/file.log" -t 0.2 "pidfile $DIR/p.pid"
run chronyd -x -d -U -u root -l "$DIR/file.log" -t 0.2 "foo"
mask <file.log
run chronyd -p -l "$DIR/p.log" "foo"
mask <p.log
rm -f o e
tree
printf '! c\n# c\n%% c\n; c\n\n  server  10.0.0.1   iburst \nPORT 0\nmakestep 1 3\ndumponexit\nlinux_hz 100\nLOG tracking\ninclude %s/inc/*.conf\nconfdir %s/cd\nsourcedir %s/sd\nntscachedir /x\n' "$DIR" "$DIR" "$DIR" >all.conf
mkdir inc cd sd; echo 'allow 10/8' >inc/a.conf; echo 'driftfile /x' >cd/b.conf; echo 'log statistics' >cd/a.conf; echo 'bad' >cd/c.txt; echo 'server sd.example' >sd/x.sources
run chronyd -p -f all.conf
for line in "server" "server a b" "server a # x" "server a minpoll 1.5" "server a offset 0.1ms" "server a key 0" "server a extfield 1" \
    "pool" "peer a foo" "port x" "port" "port 1 2" "driftfile" "driftfile a b" "driftfile a interval x" "makestep 1" "makestep a b" "makestep 1 2 3" "maxupdateskew" "maxupdateskew a" "maxupdateskew 1x" \
    "log foo" "log" "allow 1.2.3" "allow foo/3" "allow 1.2.3.4/33" "allow 1.2.3.4 5" "allow all" "allow ALL" "local foo" "local stratum 16" "local stratum 0" "local stratum" "local orphan x" "bindaddress x" "bindcmdaddress x" "bindacqaddress x" \
    "cmdallow x/" "user" "user a b" "include /no/such" "include /no/such*" "confdir" "sourcedir" "include" "leapsecmode foo" "leapsecmode" "authselectmode x" "maxdistance" "maxdistance -1" "maxchange 1 2" "maxchange 1 2 3" "fallbackdrift 1" "fallbackdrift 16 19" \
    "dumpdir" "logdir" "pidfile" "maxsamples a" "rtcsync x" "manual x" "noclientlog 1" "clientloglimit x" "clientloglimit -1" "ratelimit foo" "commandkey 1" "generatecommandkey" "initstepslew" "initstepslew x" \
    "smoothtime 1" "tempcomp a" "hwtimestamp" "refclock" "refclock SHM" "refclock FOO 1" "refclock SHM 0 foo" "broadcast" "broadcast 1 x" "mailonchange a" "keyfile" "combinelimit x" "stratumweight" "lock_all 1" "logchange x" "hwclockfile" "leapsectz" "corrtimeratio a" \
    "nosuch" "serverr a" "server a minpoll" "server a offline auto_offline prefer noselect trust require xleave" "server a asymmetry 0.5 maxdelayratio 2 maxdelaydevratio 3 maxdelay 0.1 mindelay 0.1 offset 0.1 polltarget 5 presend 3 burst iburst minsamples 3 maxsamples 4 filter 3 port 1 certset 1 copy version 3" "refresh" "refresh x" "reselectdist x" "maxclockerror" "maxdrift x" "maxjitter x" "maxslewrate x" "cmdratelimit kod 2" "ntsrotate x" "dumponexit foo"; do
    chronyd -p "$line" >o 2>e; echo "$line: $?"
done
