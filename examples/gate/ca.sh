#!/bin/sh
# Makes a certificate authority for tests, and a certificate by it for the names that
# are given (default: those of the three sites), in the folder ca beside this file:
#
#   ca.pem                   what clients are to trust: curl --cacert ca/ca.pem
#   site.pem, site.key       certificate and key of the sites
#
# The key of the authority is removed at once: it signs nothing else.
set -eu
cd "$(dirname "$0")"
[ $# -gt 0 ] || set -- blog.localhost '*.blog.localhost' shop.localhost wiki.localhost
quiet() { # openssl tells what it does; that is of use where it fails
  "$@" 2>openssl.log || { cat openssl.log >&2; exit 1; }
}
names=
for name; do names="${names:+$names,}DNS:$name"; done
umask 077
mkdir -p ca
cd ca
quiet openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Test authority of three sites" \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" -keyout ca.key -out ca.pem
quiet openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=three sites" -keyout site.key -out site.csr
printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n' "$names" >site.ext
quiet openssl x509 -req -in site.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile site.ext -out site.pem
rm -f ca.key ca.srl site.csr site.ext openssl.log
chmod 0644 ca.pem site.pem
