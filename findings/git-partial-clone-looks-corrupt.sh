#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: a clone with --filter=blob:none, which gets files when somebody asks for them, can be
# fetched from: it gets them then, or says that it lacks them.
# What happens: who fetches from it is told of "possible repository corruption on the remote
# side" and of a "bad pack header". That a filter is behind it stands between, as "could not
# fetch … from promisor remote". The clone is sound: git fsck finds nothing.
# Who is hurt: who deploys from a checkout that a runner of tests, or "scalar clone", has
# made: it works there, and is called corrupt elsewhere. git fetch --refetch
# --no-filter there brings what is missing.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
git() { "$WORK/root/usr/bin/git" "$@"; }
git init -q -b main origin
git -C origin config uploadpack.allowFilter true
echo hello >origin/file
git -C origin add file
git -C origin -c user.name=a -c user.email=a@example.org commit -q -m first
git clone -q --no-checkout --filter=blob:none "file://$WORK/origin" runner
git init -q --bare mirror
fetch() { git -C mirror fetch -q "file://$WORK/runner" main 2>&1 && echo fetched || true; }
expect 'version' 'git version 2.39.5' "$(git --version)"
expect 'fsck of the clone' '0' "$(git -C runner fsck >fsck.log 2>&1; echo $?)"
expect 'fetch' 'fatal: git upload-pack: aborting due to possible repository corruption on the remote side.' "$(fetch | tail -1)"
git -C runner fetch -q --refetch --no-filter
expect 'fetch after a refetch there' 'fetched' "$(fetch)"
