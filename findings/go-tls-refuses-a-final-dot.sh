#!/usr/bin/env bash
# Go 1.26 (go1.26.8) as a TLS server; Python 3.11 with OpenSSL 3.0 and curl 7.88 (Debian
# 12: python3 3.11.2-1+b1, openssl 3.0, curl 7.88.1) as clients, openssl s_server beside it
#
# Guess: "https://blog.example./", a host name with the dot of the root, reaches the
# same site as without it: the client leaves the dot out of the name that it sends in
# TLS, or the server passes over it.
# What happens: curl leaves it out; Python's ssl sends it. A server of OpenSSL takes
# both. One of Go's crypto/tls ends the handshake with the alert decode_error, before
# any callback of the program is asked, so that no log says which name it was.
# Who is hurt: clients in Python (and whatever else hands the name to OpenSSL as it
# is) that write names with a final dot to avoid the resolver's search list, and call
# a service behind Caddy, Traefik or anything else in Go: "decode error" reads like a
# broken network, and the same URL works in curl.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
)

func main() {
	asked := 0
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "answered") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { asked++; return nil, nil }}
	s.StartTLS()
	cmd := exec.Command(os.Args[1], append(os.Args[2:], s.Listener.Addr().String())...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("callback:", asked)
}
GO
cat >ask.py <<'PY'
import socket, ssl, sys
host, port = sys.argv[1].split(":")
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
for name in ("blog.example", "blog.example."):
    try:
        with socket.create_connection((host, int(port))) as raw, context.wrap_socket(raw, server_hostname=name) as tls:
            tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
            print(name, b"".join(iter(lambda: tls.recv(9999), b"")).split()[1].decode())
    except ssl.SSLError as exc:
        print(name, exc.reason)
PY
cat >ask.sh <<'SH'
port=${1##*:}
curl -sk --resolve "blog.example.:$port:127.0.0.1" --resolve "blog.example:$port:127.0.0.1" "https://blog.example.:$port/"
echo
SH
export GOTOOLCHAIN=go1.26.8
go mod init probe >/dev/null 2>&1
CGO_ENABLED=0 go build -o probe .
expect 'Python and a server of Go' 'blog.example 200
blog.example. TLSV1_ALERT_DECODE_ERROR
callback: 1' "$(./probe /usr/bin/python3 ask.py)"
expect 'curl and a server of Go' 'answered
callback: 1' "$(./probe bash ask.sh)"
openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=x -days 2 2>/dev/null
addr=127.0.0.1:$(free_port)
openssl s_server -accept "$addr" -key key.pem -cert cert.pem -www -quiet >/dev/null 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do (exec 3<>"/dev/tcp/${addr%:*}/${addr#*:}") 2>/dev/null && break; sleep 0.1; done
expect 'Python and a server of OpenSSL' 'blog.example 200
blog.example. 200' "$(/usr/bin/python3 ask.py "$addr")"
