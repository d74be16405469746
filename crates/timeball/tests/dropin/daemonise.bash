conf main <<E
cmdport 0
port 0
driftfile $DIR/drift
E
run chronyd -x -U -u root -l "$DIR/d.log" -f "$DIR/main.conf"
until_ 20 test -S "$S"
tree
c tracking
pid=$(cat main.pid); kill "$pid"; until_ 20 gone "$pid"
tree
mask <d.log
run chronyd -x -U -u root -l "$DIR/e.log" -f "$DIR/main.conf" "foo"
mask <e.log
echo "foo" >bad.conf
run chronyd -x -U -u root -l "$DIR/f.log" -f "$DIR/bad.conf"
mask <f.log
run chronyd -x -U -u root -f "$DIR/bad.conf"
printf 'pidfile %s/no/pid\nport 0\ncmdport 0\nbindcmdaddress /\n' "$DIR" >bad.conf
run chronyd -x -U -u root -f "$DIR/bad.conf"
# the caller's folder is not kept busy
cd "$DIR"; run chronyd -x -U -u root -l "$DIR/d2.log" -f "$DIR/main.conf"
until_ 20 test -s main.pid; readlink "/proc/$(cat main.pid)/cwd"; c activity; pid=$(cat main.pid); c shutdown; until_ 20 gone "$pid"; ls
