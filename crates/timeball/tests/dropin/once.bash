upstream 11124
P="pidfile $DIR/p.pid"; B="bindcmdaddress /"
run chronyd -Q -U "server 127.0.0.1 port 11124 iburst" "$P" -t 60 | numbers; ls | grep -v p.pid
run chronyd -q -x -U -u root "server 127.0.0.1 port 11124 iburst" "$P" "$B" "cmdport 0" -t 60 | numbers; ls | grep -v p.pid
run chronyd -Q -U "server 127.0.0.1 port 9 iburst maxsamples 1" -t 3 "$P"| numbers
run chronyd -Q -U -t 2 "server foo.invalid iburst" "$P" | numbers
run chronyd -Q -U "$P" "port 0" -t 2 | numbers
run chronyd -Q -U "server 127.0.0.1 port 11124 maxsamples 1" "$P" -t 60 | numbers
run chronyd -Q -U "server 127.0.0.1 port 11124 iburst" "driftfile $DIR/drift" "dumpdir $DIR/dump" "logdir $DIR/log" "log tracking" "$P" -t 60 | numbers; ls | grep -v p.pid
