#!/usr/bin/env bash
# git-lfs 3.3.0 (Debian 12: git-lfs 3.3.0-1+deb12u2), git 2.39.5 (git 1:2.39.5-0+deb12u3)
#
# Guess: "git lfs fetch REMOTE COMMIT" brings the large files of that commit, from where the
# .lfsconfig in it says, as it goes by the pointers in it and by nothing else.
# What happens: the pointers are the commit's, the .lfsconfig is that of what is checked out, or, in
# a bare repository, of its HEAD. Where HEAD names a branch that is not there, as in a mirror
# that fetches one commit, there is none: the files are looked for beside the repository, and
# are "missing". Where HEAD is another commit, they are looked for where they were once.
# And lfs.fetchexclude of that file holds for a fetch by commit as well: it exits with 0
# without them, as does "git clone", which leaves the pointers in their place.
# Who is hurt: deploy tools and caches that fetch by commit into a bare repository, where the files of
# a project lie on a server of their own; and who has a designer's files left out for developers.
. "$(dirname "$(readlink -f "$0")")/lib"
debian git-lfs=3.3.0-1+deb12u2 git=1:2.39.5-0+deb12u3
export HOME=$WORK GIT_CONFIG_NOSYSTEM=1 PATH=$WORK/root/usr/bin:$PATH GIT_EXEC_PATH=$WORK/root/usr/lib/git-core
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
git init -q --bare large.git
git init -q -b main --bare code.git
git init -q -b main work
(
  cd work
  git lfs install --local
  git lfs track '*.bin' '*.psd'
  git remote add origin "file://$WORK/code.git"
  git config -f .lfsconfig lfs.url "file://$WORK/large.git"
  echo a >a.bin
  echo b >b.psd
  git add .
  git commit -q -m one
  git push -q origin main
  git config -f .lfsconfig lfs.fetchexclude '*.psd'
  git commit -q -a -m two
  git push -q origin main
) >work.log 2>&1 || { cat work.log >&2; exit 1; }
# What a fetch by commit brings into a new bare repository with one more reference: COMMIT REFERENCE
brought() {
  local id
  id=$(git -C work rev-parse "$1")
  rm -rf mirror.git
  git init -q -b main --bare mirror.git
  git -C mirror.git fetch -q --depth 1 "file://$WORK/code.git" "$id:refs/deploy" "$id:$2"
  git -C mirror.git -c "remote.origin.url=file://$WORK/code.git" lfs fetch origin "$id" >fetch.log 2>&1 && echo -n 'exit 0, ' || echo -n "exit $?, "
  find mirror.git/lfs/objects -type f | wc -l
}
expect 'version' 'git-lfs/3.3.0' "$(git lfs version | cut -d' ' -f1)"
expect 'where HEAD is that commit' 'exit 0, 2' "$(brought main~ refs/heads/main)"
expect 'where HEAD is nothing' 'exit 2, 0' "$(brought main~ refs/other)"
expect 'with one kind of file left out' 'exit 0, 1' "$(brought main refs/heads/main)"
git lfs install --skip-repo >/dev/null
git clone -q "file://$WORK/code.git" clone
expect 'what a clone has of a.bin' 'a' "$(cat clone/a.bin)"
expect 'what a clone has of b.psd' 'version https://git-lfs.github.com/spec/v1' "$(head -1 clone/b.psd)"
