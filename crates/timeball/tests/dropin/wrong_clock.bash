# A clock 3 s behind its source and never set, and one 2 s ahead: every sign, to a tenth of a second.
upstream 11124
tenths() { awk -F, -v OFS=, -v at="$1" 'NF > 5 { n = split(at, a, " "); for (i = 1; i <= n; i++) $a[i] = sprintf("%.1f", $a[i]) + 0 } 1'; }
for wrong in 3 -2; do
    conf main <<E
cmdport 0
port 0
server 127.0.0.1 port 11124 offset $wrong iburst minpoll 6
logdir $DIR/log$wrong
log tracking statistics measurements
maxslewrate 10
E
    start main
    until_ 30 synchronised; until_ 30 samples 3
    c -c tracking | tenths "5 6 7" | cut -d, -f1-3,5-7
    c -c sources | tenths "9" | cut -d, -f1-4,9
    # The first update: its offset, and what was left of the one before.
    awk '$4 == 6 { printf "%s %s %.0f %.0f\n", $3, $4, $7, $11; exit }' "log$wrong/tracking.log"
    awk '$1 ~ /^20/ { printf "%s %.0f\n", $3, $12; exit }' "log$wrong/measurements.log"
    awk '$1 ~ /^20/ { last = $5 } END { printf "%.0f\n", last }' "log$wrong/statistics.log"
    nstop main
done
