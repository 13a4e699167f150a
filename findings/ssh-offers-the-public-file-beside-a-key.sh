#!/usr/bin/env bash
# OpenSSH 9.2p1 (Debian 12: openssh-client and openssh-server 1:9.2p1-2+deb12u10)
#
# Guess: "ssh -i KEY -o IdentitiesOnly=yes" uses the private key in KEY. A KEY.pub beside it is for
# people; and a key that can be read by ssh-keygen -y is one that ssh can use.
# What happens: where KEY.pub is there ssh offers the server what is in that file, and looks into KEY
# when the server has taken it. A KEY.pub of another key, as is left when the private one alone is
# replaced, has the server refuse: "Permission denied (publickey)", with no other word. Of a key
# with a passphrase, where nobody can be asked, it says as little.
# Who is hurt: who changes the deploy key on a machine and copies the private file only: the new key
# is right, the server has its public half, and each deploy is told that it may not.
. "$(dirname "$(readlink -f "$0")")/lib"
debian openssh-client=1:9.2p1-2+deb12u10 openssh-server=1:9.2p1-2+deb12u10 libwrap0
export LD_LIBRARY_PATH
LD_LIBRARY_PATH=$(printf '%s:' "$WORK"/root/usr/lib/*/ "$WORK"/root/lib/*/)
keygen() { root/usr/bin/ssh-keygen -q -t ed25519 -N "$2" -f "$1"; }
keygen host ''
keygen key ''
keygen old ''
keygen locked secret
cat key.pub locked.pub >authorized
port=$(free_port)
mkdir -p /run/sshd
"$WORK/root/usr/sbin/sshd" -D -e -f /dev/null -p "$port" -o ListenAddress=127.0.0.1 -o HostKey="$WORK/host" -o AuthorizedKeysFile="$WORK/authorized" -o StrictModes=no \
  -o PidFile=none -o PermitRootLogin=yes -o PasswordAuthentication=no -o KbdInteractiveAuthentication=no 2>sshd.log &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
for _ in $(seq 100); do grep -q 'Server listening' sshd.log && break; sleep 0.1; done
echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host.pub)" >known
# What becomes of a command by a key.
asked() {
  root/usr/bin/ssh -F none -T -p "$port" -i "$WORK/$1" -o BatchMode=yes -o IdentitiesOnly=yes -o IdentityAgent=none -o StrictHostKeyChecking=yes \
    -o UserKnownHostsFile="$WORK/known" -o GlobalKnownHostsFile=/dev/null 127.0.0.1 echo done 2>&1 </dev/null | tr -d '\r' | sed 's/^[^ ]*@127.0.0.1: //'
}
expect 'version' 'OpenSSH_9.2p1' "$(root/usr/bin/ssh -V 2>&1 | cut -d' ' -f1)"
expect 'KEY with its KEY.pub' 'done' "$(asked key)"
rm key.pub
expect 'KEY alone' 'done' "$(asked key)"
cp old.pub key.pub
expect 'KEY with the KEY.pub of another one' 'Permission denied (publickey).' "$(asked key)"
expect 'what ssh-keygen -y says of it' 'ssh-ed25519' "$(root/usr/bin/ssh-keygen -y -f key | cut -d' ' -f1)"
expect 'a key with a passphrase' 'Permission denied (publickey).' "$(asked locked)"
