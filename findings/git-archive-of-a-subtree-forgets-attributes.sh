#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: "git archive HEAD:app" packs the same files as "git archive HEAD app", with
# other names: what .gitattributes at the top marks export-ignore is in neither.
# What happens: attributes are read from the tree that is packed alone. "HEAD:app" does
# not see the file at the top, and everything that it keeps out is in the archive; so it
# is with plain "git archive HEAD" that is called inside the folder. Only the name of a
# path behind a commit, at the top, keeps to it.
# Who is hurt: whoever deploys one folder of a repository of several by git archive:
# tests, fixtures and notes that are marked as not to be shipped are shipped.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export HOME=$WORK GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org
git() { "$WORK/root/usr/bin/git" --exec-path="$WORK/root/usr/lib/git-core" "$@"; }
expect 'version' 'git version 2.39.5' "$(git --version)"
git init -q repository
cd repository
mkdir app
echo 'app/notes export-ignore' >.gitattributes
echo x | tee app/main.py >app/notes
git add . && git commit -qm first
files() { "$@" | tar t | grep -v '/$' | sed 's|.*/||' | grep -v gitattributes | sort | xargs; }
expect 'git archive HEAD' 'main.py' "$(files git archive HEAD)"
expect 'git archive HEAD app' 'main.py' "$(files git archive HEAD app)"
expect 'git archive HEAD:app' 'main.py notes' "$(files git archive HEAD:app)"
expect 'git archive HEAD, in the folder' 'main.py notes' "$(cd app && files git archive HEAD)"
echo 'notes export-ignore' >app/.gitattributes
git add . && git commit -qm 'attributes of the folder'
expect 'git archive HEAD:app, with a file of its own' 'main.py' "$(files git archive HEAD:app)"
