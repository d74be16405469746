upstream 11124
conf main <<E
cmdport 11323
port 11123
allow 127/8
server 127.0.0.1 port 11124 minpoll -6 maxpoll -6 iburst
driftfile $DIR/drift
dumpdir $DIR/dump
logdir $DIR/log
log measurements statistics selection tracking
E
start main
sleep 4
ok() { chronyc -n -h "$S" waitsync 1; }
until_ 5 ok
n -c tracking
n tracking | grep -v 'Ref time'
c -c sources | cut -d, -f1-5
n -c sourcestats | sed -E 's/,[0-9]+,[0-9]+,[0-9]+,/,n,r,s,/'
n -c selectdata
n -c activity
c -c ntpdata | sed -E 's/,1111?0?1?,(No.*Kernel,Kernel),.*/,\1/' | cut -d, -f1-9,16,29- | sed 's/,-2[0-9],/,precision,/;s/,111,111,11[01]1,/,tests,/;s/(Kernel,Kernel),.*/\1/' -E
run chronyc -h 127.0.0.1 -p 11323 -n -c tracking | numbers
c dump; head -1 dump/127.0.0.1.dat; sed -n 2p dump/127.0.0.1.dat; sed -n 5p dump/127.0.0.1.dat | numbers
c cyclelogs
c makestep
tree
for l in measurements statistics selection tracking; do echo "-- $l"; head -4 log/$l.log | cut -c1-150 | sed -E 's/^20[-0-9]+ [:0-9]+/TIME/' | sed -E 's/[0-9]/9/g;s/[-+]9/ 9/g'; done
grep -c '^=' log/measurements.log | sed 's/[1-9][0-9]*/some/'
[ "$(grep -c 2 log/measurements.log)" -gt 100 ] && echo many || { echo few; wc -l log/measurements.log; }
c delete 127.0.0.1; c -c sources
nstop main
numbers <drift | tr -s ' '
ls dump
conf main <<E
cmdport 0
port 0
server 127.0.0.1 port 11124 minpoll 0 maxpoll 0
driftfile $DIR/drift
dumpdir $DIR/dump
E
start main; sleep 7; nstop main; ls dump; [ "$(wc -l <dump/127.0.0.1.dat)" -gt 7 ] && echo long
start main -r; sleep 0.2; c sourcestats | wc -l; n -c tracking;  c -c sources | cut -d, -f1-5; ls dump; nstop main; ls dump
start main; ls dump; nstop main
echo junk >dump/127.0.0.1.dat; start main -r; nstop main
