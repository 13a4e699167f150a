#!/usr/bin/env bash
# pbr 5.10.0 and setuptools-scm 7.1.0 with packaging 23.0, typing-extensions 4.4.0 and tomli 2.0.1 (Debian 12:
# python3-pbr 5.10.0-2, python3-setuptools-scm 7.1.0-3), pip 23.0.1, git 2.39.5
#
# Guess: a project that takes its version from a tag of git cannot be built of files that
# were brought without their .git, as deploys and containers have them; it fails, and says so.
# What happens: setuptools-scm does that. pbr asks git, and git looks in every folder above:
# where one is a repository, of whatever, its newest tag is the version of the project.
# Who is hurt: who keeps /srv, a home or a folder of releases in git: the project is
# installed as 9.9, whatever it is, and what asks for its version, or requires one, is
# told that; on the next machine it is not built at all. GIT_CEILING_DIRECTORIES ends the
# search below a folder.
. "$(dirname "$(readlink -f "$0")")/lib"
debian python3-pip=23.0.1+dfsg-1 python3-setuptools-whl=66.1.1-1+deb12u2 python3-wheel-whl=0.38.4-2 git=1:2.39.5-0+deb12u3 \
  python3-pbr=5.10.0-2 python3-setuptools-scm=7.1.0-3 python3-packaging=23.0-1 python3-typing-extensions=4.4.0-1 python3-tomli=2.0.1-2
export PIP_CONFIG_FILE=/dev/null PIP_DISABLE_PIP_VERSION_CHECK=1 GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_EXEC_PATH=$WORK/root/usr/lib/git-core PATH=$WORK/root/usr/bin:$PATH
cp root/usr/share/python-wheels/* .
cat >wheels.py <<'PY'
"""Makes wheels of what Debian's packages have unpacked."""
import glob
import os
import zipfile

base = os.environ['PYTHONPATH']
for name, version, requires in (('pbr', '5.10.0', ()), ('setuptools_scm', '7.1.0', ('packaging', 'typing_extensions', 'tomli')), ('packaging', '23.0', ()),
                                ('typing_extensions', '4.4.0', ()), ('tomli', '2.0.1', ())):
    with zipfile.ZipFile('%s-%s-py3-none-any.whl' % (name, version), 'w') as wheel:
        for file in glob.glob(base + '/%s/**/*.py' % name, recursive=True) + glob.glob(base + '/%s.py' % name):
            wheel.write(file, os.path.relpath(file, base))
        info = '%s-%s.dist-info/' % (name, version)
        for points in glob.glob(base + '/%s-*-info/entry_points.txt' % name):
            wheel.write(points, info + 'entry_points.txt')
        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\nName: %s\nVersion: %s\n' % (name, version) + ''.join('Requires-Dist: %s\n' % r for r in requires))
        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\nGenerator: probe\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
        wheel.writestr(info + 'RECORD', '')
PY
/usr/bin/python3 wheels.py
mkdir -p around/by-pbr around/by-scm
printf '[build-system]\nrequires = ["setuptools", "wheel", "pbr"]\nbuild-backend = "pbr.build"\n' >around/by-pbr/pyproject.toml
printf '[metadata]\nname = project\n' >around/by-pbr/setup.cfg
echo 'import setuptools; setuptools.setup(pbr=True)' >around/by-pbr/setup.py
printf '[project]\nname = "project"\ndynamic = ["version"]\n[build-system]\nrequires = ["setuptools", "wheel", "setuptools_scm"]\nbuild-backend = "setuptools.build_meta"\n[tool.setuptools_scm]\n' >around/by-scm/pyproject.toml
touch around/by-scm/project.py
# The version by which a project is installed, or why it is not.
installed() {
  rm -rf to
  if (cd "around/$1" && env "${2:-A=1}" /usr/bin/python3 -m pip install -q --root-user-action=ignore --no-index --find-links "$WORK" --no-deps --target "$WORK/to" .) >said 2>&1; then
    (cd to && echo project-*.dist-info)
  else
    grep -om1 'Versioning for this project requires\|setuptools-scm was unable to detect version' said
  fi
}
expect 'pbr' 'Versioning for this project requires' "$(installed by-pbr)"
expect 'setuptools-scm' 'setuptools-scm was unable to detect version' "$(installed by-scm)"
git init -q around
git -C around -c user.name=a -c user.email=a@example.org commit -q --allow-empty -m other
git -C around tag 9.9
expect 'pbr, in a repository' 'project-9.9.0.dist-info' "$(installed by-pbr)"
expect 'setuptools-scm, in a repository' 'setuptools-scm was unable to detect version' "$(installed by-scm)"
expect 'pbr, with a ceiling' 'Versioning for this project requires' "$(installed by-pbr GIT_CEILING_DIRECTORIES="$WORK/around")"
expect 'setuptools-scm that is told' 'project-1.2.dist-info' "$(installed by-scm SETUPTOOLS_SCM_PRETEND_VERSION=1.2)"
