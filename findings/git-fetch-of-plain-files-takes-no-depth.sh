#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: --depth 1 is about what need not be brought: where a source cannot give a part of
# its history, git brings all of it, as it does from a bundle, with a warning.
# What happens: of a repository whose files a plain web server gives out, which git clones and
# fetches, it brings nothing with --depth: "dumb http transport does not support shallow
# capabilities". And a bundle is one source by its path, and none by file:// and the same
# path, which names repositories alone; a repository may be named either way.
# Who is hurt: tools that fetch by --depth 1 because it is cheaper, for whom the smaller hosts
# fail that work by hand; and whoever writes a URL where he was told a path.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
git() { "$WORK/root/usr/bin/git" "$@"; }
git init -q -b main made
for n in 1 2 3; do git -C made -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m "$n"; done
git clone -q --bare made files.git
git -C files.git update-server-info
git -C made bundle create -q "$WORK/a.bundle" main
port=$(free_port)
/usr/bin/python3 -m http.server --bind 127.0.0.1 "$port" >server.log 2>&1 &
trap 'kill %1; wait; rm -rf "$WORK"' EXIT
get files.git/HEAD >/dev/null 2>&1
# How many commits a fetch brings, or how it ends.
fetched() {
  rm -rf mirror
  git init -q --bare mirror
  if git -C mirror fetch -q "$@" main:main 2>said; then git -C mirror rev-list --count main; else grep -m1 '^fatal' said; fi
}
expect 'version' 'git version 2.39.5' "$(git --version)"
expect 'a repository by its path, --depth 1' '1' "$(fetched --depth 1 "file://$WORK/files.git")"
expect 'plain files' '3' "$(fetched "http://127.0.0.1:$port/files.git")"
expect 'plain files, --depth 1' 'fatal: dumb http transport does not support shallow capabilities' "$(fetched --depth 1 "http://127.0.0.1:$port/files.git")"
expect 'a bundle by its path, --depth 1' '3' "$(fetched --depth 1 "$WORK/a.bundle")"
expect 'what it says' "warning: option \"depth\" is ignored for $WORK/a.bundle" "$(cat said)"
expect 'a bundle by file://' "fatal: invalid gitfile format: $WORK/a.bundle" "$(fetched "file://$WORK/a.bundle")"
