#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: "git ls-remote URL refs/heads/NAME" answers with that ref or with nothing,
# since the name is a full one.
# What happens: the argument is matched against the end of each ref, from a slash
# on, full name or not. A ref refs/backup/refs/heads/NAME is listed too, and
# before the true one, because refs are sorted; with --heads and a short name so is
# the branch team/NAME.
# Who is hurt: whoever takes the first line as the newest commit of a branch, as
# many a deploy script and poller does: of a mirror that keeps copies of refs below
# another prefix it deploys the copy. Compare the second column with the name.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
git() { "$WORK/root/usr/bin/git" --exec-path="$WORK/root/usr/lib/git-core" "$@"; }
at() { GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b git -C served "$@"; }
git init -q -b work served
at commit -q --allow-empty -m one
at update-ref refs/backup/refs/heads/work HEAD
at branch a/work
names() { git ls-remote "$@" | cut -f2 | paste -sd' '; }
expect 'version' 'git version 2.39.5' "$(git version)"
expect 'by the full name' 'refs/backup/refs/heads/work refs/heads/work' "$(names served refs/heads/work)"
expect 'heads by the short name' 'refs/heads/a/work refs/heads/work' "$(names --heads served work)"
