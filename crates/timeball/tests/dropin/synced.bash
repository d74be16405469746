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
measured() { [ "$(wc -l <log/measurements.log)" -gt 100 ]; }
until_ 30 measured; until_ 30 synchronised
n -c tracking
n tracking | grep -v 'Ref time'
c -c sources | cut -d, -f1-5
n -c sourcestats | awk -F, -v OFS=, 'NF == 8 { $2 = "n"; $3 = "r"; $4 = "s" } 1'
n -c selectdata | awk -F, -v OFS=, 'NF == 18 { $14 = $14 < 3 ? "recent" : $14 } 1'
n -c activity
# Whether the last answer was too late for test C (its third digit) depends on the moment.
c -c ntpdata | awk -F, -v OFS=, 'NF < 30 { print; next } { print $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    ($12 < -15 && $12 > -32 ? "precision" : $12), $16, $17, $24, $25, substr($26, 1, 2) "?" substr($26, 4), $27, $28, $29, $30,
    ($31 > 20 && $32 > 20 && $33 > 20 && $34 > 4 ? "many" : "few") }'
run chronyc -h 127.0.0.1 -p 11323 -n -c tracking | numbers
c dump; head -1 dump/127.0.0.1.dat; sed -n 2p dump/127.0.0.1.dat; sed -n 5p dump/127.0.0.1.dat | numbers
c cyclelogs
c makestep
tree
for l in measurements statistics selection tracking; do echo "-- $l"; head -4 log/$l.log | cut -c1-150 | sed -E 's/^20[-0-9]+ [:0-9]+/TIME/' | sed -E 's/[0-9]/9/g;s/[-+]9/ 9/g'; done
grep -c '^=' log/measurements.log | sed 's/[1-9][0-9]*/some/'
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
start main; until_ 60 samples 4; until_ 30 synchronised; nstop main; ls dump; [ "$(wc -l <dump/127.0.0.1.dat)" -gt 7 ] && echo long
start main -r; until_ 30 synchronised; c sourcestats | wc -l; n -c tracking;  c -c sources | cut -d, -f1-5; ls dump; nstop main; ls dump
start main; ls dump; nstop main
echo junk >dump/127.0.0.1.dat; start main -r; nstop main
