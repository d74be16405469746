mkdir sd; printf 'server 127.0.0.5 port 9 offline\nserver 127.0.0.6 offline' >sd/a.sources
printf 'server 127.0.0.7 offline\nbad line\nserver 127.0.0.8 offline\nport 5\nallow\n' >sd/b.sources; echo 'server 127.0.0.9' >sd/c.conf
conf main <<E
cmdport 0
port 0
sourcedir $DIR/sd
server 127.0.0.1 offline
E
start main
c sources
c reload sources
printf 'server 127.0.0.6 offline\nserver 127.0.0.1 offline\n' >sd/a.sources; printf 'server 127.0.0.7 offline prefer\n' >sd/b.sources
c reload sources; c sources
c -c selectdata
rm sd/*; c reload sources; c sources
printf 'pool foo.invalid offline maxsources 1\nserver foo.invalid offline\npeer 127.0.0.11 offline\n' >sd/x.sources; c reload sources; c sources -a
rm -r sd;  c reload sources; c sources -a
stop main
