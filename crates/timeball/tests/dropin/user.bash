# As a user of its own: who owns what, what is still removed at the end, what root's leftovers do.
conf main <<E
cmdport 0
port 0
local
server 127.0.0.1 port 9
driftfile $DIR/lib/drift
dumpdir $DIR/dump
logdir $DIR/log
log tracking
E
chmod 755 "$DIR"; mkdir lib; chown nobody lib
chronyd -x -d -u nobody -f main.conf 2>main.err >main.out & PID_main=$!
until_ 20 ready main
tree | sed "s/:nogroup/:GROUP/;s/:nobody/:GROUP/"
grep -E '^(Uid|CapEff|CapPrm)' /proc/$PID_main/status
c tracking >/dev/null; c -c activity; c makestep; c dump; c cyclelogs
stop main
tree | sed "s/:nogroup/:GROUP/;s/:nobody/:GROUP/"
chronyd -x -d -u nobody -f main.conf 2>main.err >main.out & PID_main=$!
until_ 20 ready main; stop main
# started once as root: the folders are root's
rm -rf run dump log; start main; stop main
chronyd -x -d -u nobody -f main.conf 2>main.err >main.out & PID_main=$!
up_or_gone() { orderly main || gone $PID_main; }; until_ 20 up_or_gone; stop main; tree | sed "s/:nogroup/:GROUP/;s/:nobody/:GROUP/"
conf main <<E
cmdport 0
port 123
allow
user nobody
E
rm -rf run; chronyd -x -d -f main.conf 2>main.err >main.out & PID_main=$!
until_ 20 ready main; grep -E '^(Uid|CapEff|CapPrm)' /proc/$PID_main/status; stop main
run setpriv --reuid=65534 --regid=65534 --clear-groups chronyd -x -d -f main.conf
