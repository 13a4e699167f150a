#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: where a repository has a branch and a tag of one name, "git clone --branch
# NAME URL" and "git fetch URL NAME" bring the same commit.
# What happens: clone takes the branch and fetch (with pull) takes the tag. Neither
# says that there were two. In a clone, "git fetch origin NAME" takes the tag too,
# though NAME is the branch that is checked out there.
# Who is hurt: deploy scripts that clone once and fetch from then on. The first
# deploy is the branch; after somebody has pushed a tag "main" or "staging", every
# later one stays at that tag and ends with 0. Full names (refs/heads/NAME) help.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git() { "$WORK/root/usr/bin/git" --exec-path="$WORK/root/usr/lib/git-core" "$@"; }
at() { GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b git -C served "$@"; }
git init -q -b main served
at commit -q --allow-empty -m 'of the tag'
at tag main
at commit -q --allow-empty -m 'of the branch'

git clone -q --branch main served cloned
clone=$(git -C cloned log -1 --format=%s)
git init -q empty
git -C empty fetch -q ../served main
fetch=$(git -C empty log -1 --format=%s FETCH_HEAD)
git -C cloned fetch -q origin main
again=$(git -C cloned log -1 --format=%s FETCH_HEAD)
git -C empty fetch -q ../served refs/heads/main
full=$(git -C empty log -1 --format=%s FETCH_HEAD)
expect 'version' 'git version 2.39.5' "$(git version)"
expect 'clone, fetch, fetch in the clone, fetch by the full name' \
  'of the branch, of the tag, of the tag, of the branch' "$clone, $fetch, $again, $full"
