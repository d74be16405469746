# What is told of a source that is taken offline, asked once more, or falls silent.
upstream 11126
conf main <<E
cmdport 0
port 0
server 127.0.0.1 port 11126 minpoll 0 maxpoll 0
E
selected() { ask_ -c sources | grep -q '^^,\*'; }
silent() { [ "$(ask_ -c sources | cut -d, -f6)" = 0 ]; }
told() { c -c sources | cut -d, -f1-5; c -c selectdata | cut -d, -f1,2,18; c -c tracking | cut -d, -f1-3; c -c activity; }
start main
until_ 30 samples 4; until_ 30 selected; told
c offline; told; silent && echo "not reachable"
c burst 1/2; until_ 30 no_burst; told; silent && echo "not reachable"
c online; until_ 30 selected; told
kill -STOP $UP; until_ 60 silent; told
kill -CONT $UP; until_ 30 selected; told
nstop main
