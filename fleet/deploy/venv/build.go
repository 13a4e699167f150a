package venv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// Build makes a virtualenv that Find has named, if it is not there. After an error
// none is there.
func (s *Store) Build(ctx context.Context, v Virtualenv) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Time, 15*time.Minute))
	defer cancel()
	if err := s.Account.Check(); err != nil {
		return err
	}
	if complete(s.Root, v.Name) {
		return nil
	}
	if err := s.build(ctx, v); err != nil {
		if left := s.Root.RemoveAll(v.Name); left != nil {
			err = errors.Join(err, left)
		}
		return fmt.Errorf("cannot make the virtualenv: %w", err)
	}
	return nil
}

func (s *Store) build(ctx context.Context, v Virtualenv) error {
	// What a crash has left, perhaps of another Python.
	if err := s.Root.RemoveAll(v.Name); err != nil {
		return err
	}
	dir, err := s.folder(v.Name)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := s.run(ctx, v, v.Python.Path, "-I", "-m", "venv", "--without-pip", v.Path); err != nil {
		return err
	}
	python := filepath.Join(v.Path, "bin", "python")
	made, err := ask(ctx, s.Account, python)
	if err != nil {
		return err
	}
	if made.Version != v.Python.Version {
		return fmt.Errorf("it has Python %q, and %s is %q: was Python upgraded just now? Deploy again", made.Version, v.Python.Path, v.Python.Version)
	}
	if len(v.inputs.Requirements) > 0 {
		args := pipArgs(v)
		for _, r := range v.inputs.Requirements {
			args = append(args, "-r", filepath.Join(v.inputs.Tree.Name(), r))
		}
		if err := s.run(ctx, v, args...); err != nil {
			return err
		}
	}
	if _, err := s.Compile(ctx, nil, python, filepath.Join(v.Path, "lib")); err != nil {
		return err
	}
	return s.finish(dir, v.Name)
}

// folder makes the folder, which is the account's.
func (s *Store) folder(name string) (*os.Root, error) {
	if err := s.Root.Mkdir(name, 0o700); err != nil {
		return nil, err
	}
	dir, err := s.Root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	f, err := dir.Open(".")
	if err == nil {
		err = f.Chmod(0o755)
		if a := s.Account; a != nil && err == nil {
			err = f.Chown(a.UID, a.GID)
		}
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		_ = dir.Close()
		return nil, err
	}
	return dir, nil
}

// Install installs the project of the tree into a virtualenv that Build has made for
// this release, without what it depends on: requirements have brought that. pip
// builds it; setup.py is never run by itself.
//
// setuptools copies what it finds in build/ into what it builds. A checkout that was
// built in, or a repository that somebody committed it to, brings modules back from
// there that were deleted long ago: it is told to build elsewhere.
func (s *Store) Install(ctx context.Context, v Virtualenv) error {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.Time, 15*time.Minute))
	defer cancel()
	const elsewhere = `at=$(mktemp -d)
trap 'rm -rf -- "$at"' EXIT
printf '[build]\nbuild_base = %s\n' "$at/build" >"$at/setup.cfg"
DIST_EXTRA_CONFIG=$at/setup.cfg "$@"`
	args := append([]string{"/bin/sh", "-euc", elsewhere, "install"}, pipArgs(v)...)
	if err := s.run(ctx, v, append(args, "--no-deps", ".")...); err != nil {
		return fmt.Errorf("cannot install the project: %w", err)
	}
	return nil
}

// pipArgs are of every pip.
func pipArgs(v Virtualenv) []string {
	args := []string{v.pip, "-I", "-m", "pip", "--python", filepath.Join(v.Path, "bin", "python"), "install", "--no-input", "--disable-pip-version-check",
		"--no-cache-dir", "--no-compile", "--no-warn-script-location", "--progress-bar=off", "--retries=2", "--timeout=20"}
	// A folder of wheels alone, or an index; neither: pip's default.
	switch in := v.inputs; {
	case in.Wheels != "":
		args = append(args, "--no-index", "--find-links", in.Wheels)
	case in.Index != "":
		args = append(args, "--index-url", in.Index)
	}
	return args
}

func (s *Store) run(ctx context.Context, v Virtualenv, args ...string) error {
	// A build that asks git for its version is not told that of a repository around the release
	// (findings/pbr-takes-the-version-of-the-repository-around.sh).
	env := append([]string{"PIP_CONFIG_FILE=/dev/null", "PYTHONNOUSERSITE=1", "GIT_CEILING_DIRECTORIES=" + filepath.Dir(v.inputs.Tree.Name())}, v.inputs.Env...)
	err := (&child.Command{Account: s.Account, Args: args, Env: env, Dir: v.inputs.Tree.Name()}).Run(ctx)
	// Git and the fleet itself trust the authorities of this variable beside the machine's; pip
	// does from 24.2 on (findings/pip-knows-no-ssl-cert-file.sh), and before either those or these.
	if ca := os.Getenv("SSL_CERT_FILE"); ca != "" && said(err, untrusted) {
		env = append([]string{"PIP_CERT=" + ca}, env...) // that of the spec counts before it
		err = (&child.Command{Account: s.Account, Args: args, Env: env, Dir: v.inputs.Tree.Name()}).Run(ctx)
	}
	return explain(err)
}

// untrusted is what pip says of a certificate.
const untrusted = "problem confirming the ssl certificate"

func said(err error, what string) bool {
	e, ok := errors.AsType[*child.Error](err)
	return ok && strings.Contains(e.Output, what)
}

const versionOfGit = "it takes its version from a tag of git, and a release has no .git: write it into env of the deploy block: env = { %s = \"1.0\" }"

// explained are what pip, or a build, says, and what to do about it.
var explained = []struct{ says, what string }{
	{"setuptools-scm was unable to detect version", fmt.Sprintf(versionOfGit, "SETUPTOOLS_SCM_PRETEND_VERSION")},
	{"Versioning for this project requires either an sdist tarball", fmt.Sprintf(versionOfGit, "PBR_VERSION")},
	{untrusted, "the index's certificate is not signed by an authority that this machine trusts: add its authority to those of the machine (update-ca-certificates), or name its file by SSL_CERT_FILE in the environment of the daemon"},
}

// explain puts before what pip says what to do about it.
func explain(err error) error {
	for _, x := range explained {
		if said(err, x.says) {
			return fmt.Errorf("%s\n%w", x.what, err)
		}
	}
	return err
}

// finish writes the marker when the rest is on the disk.
func (s *Store) finish(dir *os.Root, name string) error {
	top, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer top.Close()
	if err := unix.Syncfs(int(top.Fd())); err != nil {
		return err
	}
	f, err := dir.OpenFile(marker, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(name + "\n")
	return errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close(), top.Sync())
}
