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
sleep 1; c burst 2/3 127.0.0.9
sleep 8
c -c sources | cut -d, -f1,3-5
c -c ntpdata | cut -d, -f1,7-10,30
c -c activity
c online 127.0.0.9; c minpoll 127.0.0.6 3
sleep 2
c -c sources | cut -d, -f3-5
nstop main
