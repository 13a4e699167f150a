#!/usr/bin/env bash
# Go 1.26, crypto/tls; nginx 1.22.1 with OpenSSL 3.0 (Debian 12: nginx and nginx-common 1.22.1-9+deb12u11)
#
# Guess: a certificate and its key that nginx serves are served by a program of Go as well; what it
# says about its own certificate is for clients to judge, who look at names, dates and signers.
# What happens: Go reads the whole certificate before it serves it, and takes none with a negative
# serial number (since Go 1.23), with a name or an address in it that is not plain ASCII, or
# with an address of the web that is none. Nor does it read keys of Ed448, of RSA-PSS, and those
# whose curve is written out. openssl makes all of these, and nginx serves them.
# Who is hurt: who moves a site with the certificate that an authority of the house made years ago:
# it has served until now and does not here, and what is said, "x509: negative serial number",
# leaves open whether it is the file, the key or the program.
. "$(dirname "$(readlink -f "$0")")/lib"
debian nginx=1.22.1-9+deb12u11 nginx-common=1.22.1-9+deb12u11
cat >main.go <<'GO'
package main

import (
	"crypto/tls"
	"fmt"
	"os"
)

func main() {
	if _, err := tls.LoadX509KeyPair(os.Args[1]+".crt", os.Args[1]+".key"); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("served")
}
GO
(go mod init probe && go build -o probe .) >build.log 2>&1 || { cat build.log >&2; exit 1; }
# What openssl makes: NAME OPTION…
made() { openssl req -x509 -days 30 -subj /CN=blog.example -nodes -keyout "$1.key" -out "$1.crt" "${@:2}" 2>openssl.log || { cat openssl.log >&2; exit 1; }; }
by_nginx() {
  local port
  port=$(free_port)
  printf 'daemon off; master_process off; user root; error_log %s/log; pid %s/pid; events {} http { access_log off; client_body_temp_path %s/t1; proxy_temp_path %s/t2;
    fastcgi_temp_path %s/t3; uwsgi_temp_path %s/t4; scgi_temp_path %s/t5; server { listen 127.0.0.1:%s ssl; ssl_certificate %s.crt; ssl_certificate_key %s.key; return 200 served; } }' \
    "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$port" "$WORK/$1" "$WORK/$1" >nginx.conf
  root/usr/sbin/nginx -p "$WORK" -c "$WORK/nginx.conf" 2>/dev/null &
  local nginx=$!
  curl -sSk --retry 20 --retry-connrefused --retry-delay 1 --noproxy '*' "https://127.0.0.1:$port/"
  kill $nginx
  wait $nginx
}
# both NAME GO'S WORD
both() { expect "$1, nginx" 'served' "$(by_nginx "$1")"; expect "$1, Go" "$2" "$(./probe "$1")"; }
expect 'version' 'nginx version: nginx/1.22.1' "$(root/usr/sbin/nginx -v 2>&1)"
expect 'version' 'go1.26' "$(go version | grep -o 'go1\.26')"
made plain -newkey rsa:2048
both plain 'served'
made negative -newkey rsa:2048 -set_serial -5
both negative 'x509: negative serial number'
made name -newkey rsa:2048 -addext 'subjectAltName=DNS:bücher.example'
both name 'x509: SAN dNSName is malformed'
made address -newkey rsa:2048 -addext 'subjectAltName=DNS:blog.example,email:jürgen@blog.example'
both address 'x509: SAN rfc822Name is malformed'
made ed448 -newkey ed448
both ed448 'tls: failed to parse private key'
made pss -newkey rsa-pss -pkeyopt rsa_keygen_bits:2048
both pss 'tls: failed to parse private key'
made explicit -newkey ec -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit
both explicit 'x509: invalid ECDSA parameters'
