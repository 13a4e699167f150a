#!/usr/bin/env bash
# PgBouncer 1.18.0 (Debian 12: pgbouncer 1.18.0-1+deb12u1), asked by github.com/jackc/pgx/v5 v5.13.0
#
# Guess: a pooler refuses as the server behind it does: a wrong password and a role that it does
# not know are 28P01 (invalid_password), a database 3D000, too many connections 53300.
# What happens: all of them are 08P01 (protocol_violation), which PostgreSQL says of a client that
# does not speak its protocol. A role that was made a moment ago, by a connection through the same
# pooler, is among them, as its file of users does not have it: "SASL authentication failed".
# Who is hurt: programs that act by the code: which try again what is final, or give up what is
# worth another try (53300), and tell whoever set the password that the server is none.
. "$(dirname "$(readlink -f "$0")")/lib"
debian pgbouncer=1.18.0-1+deb12u1 libevent-2.1-7 libc-ares2
cat >main.go <<'GO'
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/jackc/pgx/v5/pgconn"
)

func main() {
	_, err := pgconn.Connect(context.Background(), os.Args[1])
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		fmt.Println("no code:", err)
		return
	}
	fmt.Println(e.Code, e.Message)
}
GO
modules github.com/jackc/pgx/v5@v5.13.0
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/)
export LD_LIBRARY_PATH
chmod 755 "$WORK"
mkdir -m 777 run
port=$(free_port)
echo '"boss" "secret"' >users
# pooler SETTINGS: runs one, before a server that it does not come to ask.
pooler() {
  printf '[databases]\nshop = host=127.0.0.1 port=1\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\nunix_socket_dir =\nauth_file = %s\nlogfile = %s\n%s\n' \
    "$port" "$WORK/users" "$WORK/run/log" "$1" >pooler.ini
  setpriv --reuid=65534 --regid=65534 --clear-groups root/usr/sbin/pgbouncer -q pooler.ini &
  trap 'kill %%; wait; rm -rf "$WORK"' EXIT
  for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return; sleep 0.1; done
  return 1
}
ask() { ./probe "postgres://$1@127.0.0.1:$port/$2?sslmode=disable"; }
pooler 'auth_type = scram-sha-256'
expect 'version' 'PgBouncer 1.18.0' "$(root/usr/sbin/pgbouncer --version | head -1)"
expect 'a wrong password' '08P01 SASL authentication failed' "$(ask boss:wrong shop)"
expect 'a role that it does not know' '08P01 SASL authentication failed' "$(ask new:secret shop)"
expect 'a database that it does not know' '08P01 no such database: other' "$(ask boss:secret other)"
kill %%
wait
pooler $'auth_type = md5\nmax_client_conn = 0'
expect 'one connection too many' '08P01 no more connections allowed (max_client_conn)' "$(ask boss:secret shop)"
