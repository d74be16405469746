upstream 11125
conf main <<E
cmdport 0
port 0
server 127.0.0.1 port 11125 minpoll -6 maxpoll -6
server 127.0.0.3 port 11125 iburst minpoll 5 maxpoll 5
server 127.0.0.4 port 11125 burst minpoll 0 maxpoll 0 presend 0
server 127.0.0.5 port 11125 minpoll 0 maxpoll 0 maxdelay 0
server 127.0.0.6 port 11125 minpoll 0 maxpoll 1
server 127.0.0.7 port 11125 minpoll 0 maxpoll 0 offset 0.25 noselect
server 127.0.0.8 port 11125 minpoll 0 maxpoll 0 minstratum 9
server 127.0.0.9 port 11125 offline
server 127.0.0.10 port 9 minpoll 0 maxpoll 0
server 127.0.0.11 port 11125 minpoll 0 maxpoll 0
server 127.0.0.12 port 11125 minpoll 0 maxpoll 0 version 3
E
start main
answered() { [ "$(ask_ -c ntpdata | awk -F, '$34 > 2' | wc -l)" -ge 7 ]; }
until_ 20 ask_ activity; c burst 2/3 127.0.0.9
until_ 60 answered; until_ 30 synchronised; sleep 1; until_ 30 no_burst
# One source may choose between two intervals: it depends on what was measured.
c -c sources | cut -d, -f1,3-5 | sed 's/127.0.0.6,5,[01]/127.0.0.6,5,either/'
c -c ntpdata | cut -d, -f1,7-10,30 | sed 's/\(127.0.0.6,4,Server,5\),[01],/\1,either,/'
c -c activity
c online 127.0.0.9; c minpoll 127.0.0.6 3
sleep 2
c -c sources | cut -d, -f3-5
nstop main
