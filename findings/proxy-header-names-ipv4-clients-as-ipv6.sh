#!/usr/bin/env bash
# haproxy 2.6.12, nginx 1.22.1 and stunnel 5.68 (Debian 12: 2.6.12-1+deb12u4, 1.22.1-9+deb12u11,
# 3:5.68-2+deb12u1)
#
# Guess: a proxy that listens on one socket for IPv6 and IPv4 names a client that came by
# IPv4 in the header of the PROXY protocol as "TCP4 192.0.2.1", the family that the
# client has; the protocol has one for each.
# What happens: all three write "TCP6 ::ffff:192.0.2.1", in both versions of the header:
# what the kernel said of the socket. By an address of IPv4 alone they write TCP4. hitch
# 1.7.2 opens two sockets for its [*] and does not.
# Who is hurt: whoever compares the client's address behind the proxy: ::ffff:192.0.2.1 is in
# no network 192.0.2.0/24 for Python's ipaddress, a list of allowed or of internal
# addresses holds for nobody, and counters by address know each client twice.
. "$(dirname "$(readlink -f "$0")")/lib"
debian haproxy=2.6.12-1+deb12u4 liblua5.3-0 libopentracing-c-wrapper0 libopentracing1 stunnel4=3:5.68-2+deb12u1 \
  nginx=1.22.1-9+deb12u11 libnginx-mod-stream=1.22.1-9+deb12u11
LD_LIBRARY_PATH=$(dirname "$(find root -name 'liblua5.3.so.0')")
export LD_LIBRARY_PATH
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost 2>/dev/null
cat >see.py <<'PY'
import random, socket, ssl, subprocess, sys, time
name, address, work = sys.argv[1:]
both = address == "::"
behind = socket.create_server(("127.0.0.1", 0))
behind.settimeout(20)
to = "127.0.0.1:%d" % behind.getsockname()[1]

def started(port):
    """The server at that port, and a connection to it; None, None: another one has the port."""
    if name.startswith("haproxy"):
        version = "-v2" if name.endswith("2") else ""
        text = f"""defaults
 mode tcp
 timeout connect 5s
 timeout client 5s
 timeout server 5s
listen a
 bind {address}:{port}{" v4v6" if both else ""}
 server a {to} send-proxy{version}
"""
        command = ["root/usr/sbin/haproxy", "-db", "-f", "conf"]
    elif name == "nginx":
        listen = f"[::]:{port} ipv6only=off" if both else f"{address}:{port}"
        text = f"""daemon off; pid pid; error_log stderr;
load_module {work}/root/usr/lib/nginx/modules/ngx_stream_module.so;
events {{}}
stream {{ server {{ listen {listen}; proxy_pass {to}; proxy_protocol on; }} }}
"""
        command = ["root/usr/sbin/nginx", "-p", work, "-c", work + "/conf"]
    else:
        text = f"foreground = yes\nsyslog = no\npid =\n[a]\naccept = {address}:{port}\nconnect = {to}\nprotocol = proxy\ncert = cert.pem\nkey = key.pem\n"
        command = ["root/usr/bin/stunnel4", "conf"]
    with open("conf", "w") as conf:
        conf.write(text)
    with open("log", "w") as log:
        server = subprocess.Popen(command, stderr=log)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            client = socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.1)
            continue
        return server, client
    server.kill()
    server.wait()
    return None, None

for _ in range(10): # below the ports that the kernel gives to connections
    server, client = started(random.randrange(20000, 32000))
    if server:
        break
else:
    sys.exit(open("log").read())
try:
    if name == "stunnel":
        client = ssl._create_unverified_context().wrap_socket(client)
    client.sendall(b"x")
    seen = behind.accept()[0].makefile("rb")
    first = seen.read(16)
    if first.startswith(b"PROXY"):
        words = (first + seen.readline()).decode().split()
        print(words[1], words[2])
    else:
        family, length = {0x11: (socket.AF_INET, 4), 0x21: (socket.AF_INET6, 16)}[first[13]]
        print("family", first[13] >> 4, socket.inet_ntop(family, seen.read(length)))
finally:
    server.terminate()
    server.wait()
PY
see() { /usr/bin/python3 see.py "$@" "$WORK"; }
for name in haproxy nginx stunnel; do
  expect "$name, on both" 'TCP6 ::ffff:127.0.0.1' "$(see "$name" ::)"
  expect "$name, on IPv4" 'TCP4 127.0.0.1' "$(see "$name" 127.0.0.1)"
done
expect 'haproxy, version 2, on both' 'family 2 ::ffff:127.0.0.1' "$(see haproxy2 ::)"
expect 'haproxy, version 2, on IPv4' 'family 1 127.0.0.1' "$(see haproxy2 127.0.0.1)"
expect 'in its network' 'False' "$(/usr/bin/python3 -c 'import ipaddress as i; print(i.ip_address("::ffff:127.0.0.1") in i.ip_network("127.0.0.0/8"))')"
