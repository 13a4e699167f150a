package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/venv"
)

// venvs opens the folder of the app's virtualenvs, and the release.
func (d *Deployer) venvs() (s *venv.Store, tree *os.Root, done func(), err error) {
	root, err := d.open("venvs")
	if err != nil {
		return nil, nil, nil, err
	}
	if tree, err = d.open("releases/" + d.entry.Release); err != nil {
		_ = root.Close()
		return nil, nil, nil, err
	}
	done = func() {
		_ = root.Close()
		_ = tree.Close()
	}
	return &venv.Store{Root: root, Account: childOf(d.Owner), Known: d.Pythons, Time: d.Spec.Deploy.Timeout.D()}, tree, done, nil
}

// virtualenv finds the one that an earlier release was made with, where nothing
// that goes into it has changed, or makes it. A project that is installed has one
// for each release.
func (d *Deployer) virtualenv(ctx context.Context) (note, output string, err error) {
	s := d.Spec.Deploy
	store, tree, done, err := d.venvs()
	if err != nil {
		return "", "", err
	}
	defer done()
	base, err := d.base()
	if err != nil {
		return "", "", err
	}
	v, err := store.Find(ctx, venv.Inputs{Python: base, Tree: tree, Requirements: s.Requirements, Wheels: s.Wheels, Index: s.Index,
		Env: pairs(s.Env), Install: s.Install, Release: d.entry.Release})
	if _, missing := errors.AsType[*venv.MissingError](err); missing && s.Directory != "" {
		err = fmt.Errorf("%w; directory = %q has made that the whole release: for a file outside of it write code = %q into the app in its place", err, s.Directory, path.Clean(s.Directory))
	}
	if err != nil {
		return "", outputOf(err), err
	}
	d.runs, d.entry.Virtualenv = v, "venvs/"+v.Name
	if v.Ready {
		return droppedToo("requirements unchanged", v.Dropped), "", nil
	}
	if err := store.Build(ctx, v); err != nil {
		return "", outputOf(err), err
	}
	return droppedToo(v.Own, v.Dropped), "", nil
}

// droppedToo adds to a note what pip makes nothing of in the requirements.
func droppedToo(note string, dropped []string) string {
	if len(dropped) == 0 {
		return note
	}
	said := strings.Join(dropped[:min(len(dropped), 3)], "; ")
	if len(dropped) > 3 {
		said += "; and more"
	}
	if note != "" {
		note += "; "
	}
	return note + "pip drops without a word: " + said
}

// install brings the project itself into the release's own virtualenv.
func (d *Deployer) install(ctx context.Context) (note, output string, err error) {
	store, tree, done, err := d.venvs()
	if err != nil {
		return "", "", err
	}
	defer done()
	err = store.Install(ctx, d.runs.In(tree))
	return "", outputOf(err), err
}

// compileAhead starts the interpreter that is going to compile the release, if it is the
// one of the last deploy: it starts while the code is fetched.
func (d *Deployer) compileAhead(ctx context.Context) {
	if d.entry.Kind == KindDeploy && d.last != nil {
		d.compiler = venv.Compiler(childOf(d.Owner), d.pythonOf(d.last.Virtualenv)).Ahead(ctx)
	}
}

// compile writes bytecode that is right whatever the times of the files: releases
// of one second may differ. What cannot be compiled is no failure: a template that
// ends in .py is none.
func (d *Deployer) compile(ctx context.Context) (note, output string, err error) {
	store, _, done, err := d.venvs()
	if err != nil {
		return "", "", err
	}
	defer done()
	said, err := store.Compile(ctx, d.compiler, d.python(), d.tree)
	if err != nil {
		return "", outputOf(err), err
	}
	if said != "" {
		return "some files cannot be compiled", said, nil
	}
	return "", "", nil
}
