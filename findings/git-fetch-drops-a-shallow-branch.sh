#!/usr/bin/env bash
# git 2.39.5 (Debian 12: git 1:2.39.5-0+deb12u3)
#
# Guess: a fetch brings the branches that it is asked for, or fails: its exit code says which.
# What happens: from a repository that is itself a shallow clone a fetch brings nothing
# that ends at the boundary, warns "rejected", and exits with 0.
# --update-shallow brings it, and so does any --depth. A push from there fails, with 1.
# Who is hurt: deploys, mirrors and backups that fetch from a checkout that a runner of
# tests made, with depth 1 as is usual there: they find no branch, or the one of last
# week, and took the fetch for good.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git=1:2.39.5-0+deb12u3
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
git() { "$WORK/root/usr/bin/git" "$@"; }
git init -q -b main origin
for n in 1 2 3; do git -C origin -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m "$n"; done
git clone -q --depth 1 "file://$WORK/origin" runner
# What a mirror has after a fetch with the arguments, and how that ended.
fetched() {
  rm -rf mirror
  git init -q --bare mirror
  local rc=0
  git -C mirror fetch "$@" "file://$WORK/runner" '+refs/heads/*:refs/heads/*' 2>said || rc=$?
  echo "exit $rc, branches: $(git -C mirror for-each-ref --format='%(refname:short)' | paste -sd,)"
}
expect 'version' 'git version 2.39.5' "$(git --version)"
expect 'fetch' 'exit 0, branches: ' "$(fetched)"
expect 'what it says' 'warning: rejected refs/heads/main because shallow roots are not allowed to be updated' "$(cat said)"
expect 'fetch --update-shallow' 'exit 0, branches: main' "$(fetched --update-shallow)"
expect 'fetch --depth 1' 'exit 0, branches: main' "$(fetched --depth 1)"
