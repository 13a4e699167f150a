#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: "git init && git fetch URL" brings what "git clone URL" brings; a fetch learns from
# the server what it needs to know, as a clone does.
# What happens: a clone takes over the hash by which the server's repository names its
# objects. A repository that init made has SHA-1 for good, also while it is empty, and a
# fetch into it from one of SHA-256 is refused: "mismatched algorithms". ls-remote in it
# works. init has to be told, by --object-format, before anybody has asked the server.
# Who is hurt: tools that init and fetch, so as to fetch one commit and not a history, as
# runners of tests and deploys do: the day a repository is made with SHA-256 (what git 3
# is to do by itself) they fail where every clone works.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
git() { "$WORK/root/usr/bin/git" "$@"; }
git init -q --object-format=sha256 server
git -C server -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m first
git clone -q server clone
git init -q --bare mirror
git init -q --bare --object-format=sha256 told
fetch() { git -C "$1" fetch -q ../server 'refs/heads/*:refs/heads/*' 2>&1 && echo fetched || true; }
expect 'version' 'git version 2.39.5' "$(git --version)"
expect 'clone' 'sha256' "$(git -C clone rev-parse --show-object-format)"
expect 'init, ls-remote' '1' "$(git -C mirror ls-remote --heads ../server | wc -l)"
expect 'init, fetch' 'fatal: mismatched algorithms: client sha1; server sha256' "$(fetch mirror | tail -1)"
expect 'init with the hash, fetch' 'fetched' "$(fetch told)"
