#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3), git-crypt 0.7.0 (git-crypt 0.7.0-0.1)
#
# Guess: a clone of a repository whose .gitattributes hand some files to git-crypt fails at them where
# git-crypt is not set up, or is not there at all, or git warns that it has no such filter.
# What happens: git has a filter that it does not know do nothing: what is encrypted is checked out as
# it is, the clone ends with 0 and says nothing, and git status sees no change. That it is to be an
# error (filter.git-crypt.required) stands in the configuration of those who have it set up, and
# nobody else's.
# Who is hurt: deploys: settings are there by their name and hold other bytes. Python then says that
# "source code string cannot contain null bytes", and a program that takes a file for what it holds,
# a key or a password, goes on with the wrong one.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3 git-crypt=0.7.0-0.1
export HOME=$WORK GIT_CONFIG_NOSYSTEM=1 PATH=$WORK/root/usr/bin:$PATH GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q -b main work
(
  cd work
  git-crypt init
  echo 'settings.py filter=git-crypt diff=git-crypt' >.gitattributes
  echo 'KEY = 1' >settings.py
  git add .
  git commit -q -m one
) >work.log 2>&1 || { cat work.log >&2; exit 1; }
rc=0
git clone -q work clone >said 2>&1 || rc=$?
expect 'versions' 'git version 2.39.5, git-crypt 0.7.0' "$(git version), $(git-crypt --version 2>&1)"
expect 'a clone ends with, and says' '0 ' "$rc $(cat said)"
expect 'what git status sees' '' "$(git -C clone status --short)"
expect 'the file begins with' 'GITCRYPT' "$(head -c 9 clone/settings.py | tr -d '\0')"
expect 'what Python makes of it' 'ValueError: source code string cannot contain null bytes' "$(cd clone && /usr/bin/python3 -B -c 'import settings' 2>&1 | tail -1)"
