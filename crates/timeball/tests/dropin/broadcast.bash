# Time told to whoever listens: the packets, field by field.
conf main <<E
cmdport 0
port 11123
local stratum 4
broadcast 1 127.255.255.255 11555
broadcast 2 127.255.255.255 11556
E
listen() {
    timeout 30 python3 - "$1" <<'P'
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
s.bind(("", int(sys.argv[1])))
stamps = []
for _ in range(3):
    data, (host, port) = s.recvfrom(2000)
    now = time.time()
    first, stratum, poll, precision, delay, dispersion, refid = struct.unpack(">BBbbII4s", data[:16])
    reference, origin, receive, transmit = struct.unpack(">QQQQ", data[16:48])
    known = lambda x: "0" if x == 0 else "now" if abs(x / 2**32 - 2208988800 - now) < 3 else "other"
    print(len(data), host, port, "leap", first >> 6, "version", first >> 3 & 7, "mode", first & 7, "stratum", stratum, "poll", poll,
          "precision", precision < -15, "delay", delay, "dispersion", dispersion < 65536, refid.hex(),
          known(origin), known(receive), known(transmit), 0 <= transmit - reference < 60 << 32)
    stamps.append(transmit)
print([round((b - a) / 2**32) for a, b in zip(stamps, stamps[1:])])
P
}
start main
listen 11555
listen 11556
c serverstats | head -2
stop main
