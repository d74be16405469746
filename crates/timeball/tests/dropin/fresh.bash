conf main <<E
cmdport 0
port 0
server 127.0.0.1 port 9 minpoll 3 maxpoll 3
E
start main
sleep 0.6
for w in tracking sources sourcestats selectdata ntpdata activity authdata smoothing rtcdata "manual list" clients "waitsync 1"; do n -c $w; done
n tracking
stop main INT
