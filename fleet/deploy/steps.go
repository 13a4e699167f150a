package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// do carries out one stage: a note for people, the end of its output, an error.
func (d *Deployer) do(ctx context.Context, s Step) (note, output string, err error) {
	e, spec := d.entry, d.Spec
	if s.Stage != nil {
		return d.runStage(ctx, s.Stage)
	}
	switch s.Name {
	case StageFetch:
		if err := d.account.mayChange(spec.Path); err != nil {
			return "", "", err
		}
		if err := d.account.makeFolders(ctx, spec.Path); err != nil {
			return "", "", err
		}
		return d.fetch(ctx)
	case StageUnpack:
		if note, err = d.unpack(ctx); err != nil {
			return "", "", err
		}
		for _, name := range spec.Deploy.Shared {
			if err := d.account.share(ctx, spec.Path, "releases/"+e.Release, name); err != nil {
				return note, "", err
			}
		}
		return note, "", nil
	case StageVirtualenv:
		return d.virtualenv(ctx)
	case StageInstall:
		return d.install(ctx)
	case StageCompile:
		return d.compile(ctx)
	case StageDatabase:
		return d.database(ctx)
	case StageRollout:
		return d.rollout(ctx)
	case StageHealth:
		return d.health(ctx)
	case StageSwitch:
		return "", "", d.account.switchTo(spec.Path, "releases/"+e.Release)
	case StagePrune:
		return d.prune(), "", nil
	}
	return "", "", fmt.Errorf("no stage %q", s.Name)
}

// runStage runs a command of the spec in the new release.
func (d *Deployer) runStage(ctx context.Context, s *appspec.Stage) (note, output string, err error) {
	argv := slices.Clone(s.Command)
	switch {
	case strings.Contains(argv[0], "/"):
	case argv[0] == "python":
		argv[0] = d.python()
	default: // found in the virtualenv first, as with one that is activated
		argv = append([]string{"/usr/bin/env"}, argv...)
	}
	env, err := d.environment()
	if err != nil {
		return "", "", err
	}
	ended, err := d.account.run(ctx, s.Timeout.D(), child.Command{Args: argv, Dir: d.tree, Env: pairs(env)})
	if err != nil {
		err = fmt.Errorf("%s: %w%s", strings.Join(s.Command, " "), err, d.missingModule(ended.Output))
	}
	return leftNote(ended.Left), ended.Output, err
}

// noModule is how Python ends a traceback where a whole module is not there; a part of one
// that is there, as blog.setings, is a mistake of the project.
var noModule = regexp.MustCompile(`(?m)^ModuleNotFoundError: No module named '(\w+)'$`)

// missingModule says what to do about the module that a stage did not find; empty: it ended
// for another reason. The end of what it printed counts.
func (d *Deployer) missingModule(output string) string {
	all := noModule.FindAllStringSubmatch(words.LastLines(output, 3), -1)
	switch {
	case len(all) == 0:
		return ""
	case len(d.Spec.Deploy.Requirements) > 0:
		return fmt.Sprintf("; %s is not installed: name it in %s", all[len(all)-1][1], strings.Join(d.Spec.Deploy.Requirements, " or "))
	case needsVirtualenv(d.Spec.Deploy), d.Spec.Virtualenv != "":
		return fmt.Sprintf("; %s is not installed in the virtualenv: install it there, or name the files of pip: requirements = [\"requirements.txt\"] in deploy", all[len(all)-1][1])
	}
	return fmt.Sprintf("; %s is not installed for %s: install it there, or name the files of pip: requirements = [\"requirements.txt\"] in deploy", all[len(all)-1][1], d.python())
}

// environment of the stages: what the app has, then what is theirs.
func (d *Deployer) environment() (map[string]string, error) {
	over := maps.Clone(d.Spec.Deploy.Env)
	if over == nil {
		over = map[string]string{}
	}
	if _, set := over["GIT_CEILING_DIRECTORIES"]; !set {
		over["GIT_CEILING_DIRECTORIES"] = filepath.Dir(d.tree) // a repository around the releases is another one
	}
	return Environment(d.Spec, d.venvDir(), over, d.StageHost)
}

// venvDir is the virtualenv that the release runs in, absolute; empty: none.
func (d *Deployer) venvDir() string { return d.venvOf(d.entry.Virtualenv) }

func (d *Deployer) venvOf(made string) string {
	v := cmp.Or(d.Spec.Virtualenv, made)
	if v == "" || path.IsAbs(v) {
		return v
	}
	return filepath.Join(d.Spec.Path, v)
}

// rollout makes the release the one that should serve. Where it does not come to
// serve the one before is that again, and is brought back.
func (d *Deployer) rollout(ctx context.Context) (note, output string, err error) {
	if err := d.meanwhile(ctx); err != nil {
		return "", "", err
	}
	e := d.entry
	cur, _, _, err := d.Book.Current()
	if err != nil {
		return "", "", err
	}
	d.before = cur
	now := &Record{Virtualenv: e.Virtualenv, Deploy: e.ID, Made: d.made, Folder: d.Spec.Path, Repository: d.Spec.Deploy.Repository,
		Release: appspec.Release{ID: e.Release, Commit: e.Commit, Dir: "releases/" + e.Release}}
	if e.Kind == KindRollback && cur != nil {
		now.Made = cur.Made // code goes back, the database does not
	}
	if err := d.Book.SetCurrent(now, cur); err != nil {
		return "", "", err
	}
	err = d.Rollout(ctx)
	if err == nil {
		return cur.step(now, d.Spec.Deploy.Install), "", nil
	}
	return "", "", d.goBack(ctx, cur, err)
}

// meanwhileError is what somebody has done to the app while it was being deployed. Whether
// anything of it still serves is no matter of the deploy.
type meanwhileError struct{ error }

func (e *meanwhileError) Error() string { return e.error.Error() + " (while it was being deployed)" }

// meanwhile says why the release cannot serve any more.
func (d *Deployer) meanwhile(ctx context.Context) error {
	if d.Still == nil {
		return nil
	}
	if err := d.Still(ctx); err != nil {
		return &meanwhileError{err}
	}
	return nil
}

// goBack brings back what served before, and adds to the reason what of that fails,
// unless it is the same, which is none of the release's then.
func (d *Deployer) goBack(ctx context.Context, to *Record, why error) error {
	ctx = context.WithoutCancel(ctx)
	err := d.Back(ctx, to)
	if now := d.meanwhile(ctx); now != nil {
		return now
	}
	if same := errors.Unwrap(err); same != nil && same.Error() == why.Error() {
		return fmt.Errorf("%w\nso it is with the previous release, %s: not the code is the reason, but what changed beside it", why, to.ID)
	}
	return errors.Join(why, err)
}

// health goes back where the release turns out not to be well.
func (d *Deployer) health(ctx context.Context) (note, output string, err error) {
	if d.Health == nil {
		return "", "", nil
	}
	if note, err = d.Health(ctx); err == nil {
		return note, "", nil
	}
	return "", "", d.goBack(ctx, d.before, err)
}
