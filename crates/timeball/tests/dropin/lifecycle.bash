conf main <<E
cmdport 11323
port 11123
server 127.0.0.1 port 9 offline
driftfile $DIR/drift/drift
dumpdir $DIR/dump/a
logdir $DIR/log/b
log measurements statistics tracking
local stratum 7
allow 127/8
E
mkdir drift
start main
tree
sed "s/$PID_main/PID/" main.pid | od -c | head -2
run chronyd -x -d -U -u root -f main.conf
stop main TERM
tree
cat -A drift/drift
start main -r; stop main HUP
start main; stop main INT
start main; stop main QUIT
echo 99999999 >main.pid; start main; c shutdown; wait $PID_main; echo "exit $?"; said main; tree
echo 1 >main.pid; start main; wait $PID_main; echo "exit $?"; said main
echo junk >main.pid; start main; stop main
kill -9 $PID_main 2>/dev/null; start main; kill -9 $PID_main; wait $PID_main 2>/dev/null; ls run; start main; stop main
chmod 777 run; rm -f run/chronyd.sock; start main & until_ 20 test -s main.pid; sleep 0.6; tree; kill "$(cat main.pid)"; wait; said main
chmod 770 run; chown 12 run; conf other <<E
bindcmdaddress $S
port 0
cmdport 0
local
server 127.0.0.1 port 9
E
start other; stop other
rm -rf run; mkdir run; echo hi >run/chronyd.sock; start main; tree; stop main
mkdir -p ro; conf other <<E
bindcmdaddress $DIR/new/deep/x.sock
port 0
cmdport 0
logdir $DIR/lg/deep/er
dumpdir $DIR/dd/deep/er
driftfile $DIR/nodir/drift
log tracking
server 127.0.0.1 port 9
E
start other; tree; stop other; tree
conf other <<E
bindcmdaddress /
port 0
cmdport 0
log tracking measurements
local
server 127.0.0.1 port 9
E
start other; stop other
