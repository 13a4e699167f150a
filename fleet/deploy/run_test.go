package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/afero"
	"golang.org/x/sys/unix"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
	"github.com/wsgid-fleet/wsgid-fleet/runner/shortdir"
)

// bench is an app with a repository, an app folder and a logbook of its own.
type bench struct {
	t      *testing.T
	repo   string
	spec   *appspec.Spec
	book   *Book
	owner  appdir.Owner
	serves *Record // what the last rollout brought
	refuse error   // of the next rollouts
	stages []string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	if testing.Short() {
		t.Skip("runs git")
	}
	base := shortdir.New(t)
	b := &bench{t: t, repo: filepath.Join(base, "code"), book: OpenBook(afero.NewOsFs(), filepath.Join(base, "data"), "blog",
		func(path string, data []byte) error { return os.WriteFile(path, data, 0o600) })}
	b.spec = appspec.Default("blog", filepath.Join(base, "app"))
	b.spec.Deploy = &appspec.Deploy{Repository: "file://" + b.repo, Commit: "HEAD", Keep: 2, Timeout: appspec.Duration(time.Minute)}
	if os.Geteuid() == 0 {
		b.spec.User = "www-data"
	}
	var err error
	if b.owner, err = appdir.ResolveOwner(b.spec, os.Geteuid() == 0); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{b.repo, b.spec.Path} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(b.spec.Path, b.owner.UID, b.owner.GID); err != nil {
		t.Fatal(err)
	}
	b.git("init", "-q", "-b", "main")
	b.commit("app.py", "VERSION = 1\n")
	return b
}

func (b *bench) git(args ...string) string {
	b.t.Helper()
	return fleettest.Git(b.t, b.repo, args...)
}

func (b *bench) commit(name, text string) {
	b.t.Helper()
	file := filepath.Join(b.repo, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	b.git("add", "-A")
	b.git("commit", "-q", "-m", "change "+name)
}

func (b *bench) deployer() *Deployer {
	b.stages = nil
	return &Deployer{Book: b.book, Spec: b.spec, Owner: b.owner, By: "ann",
		Rollout: func(context.Context) error {
			now, _, _, err := b.book.Current()
			if err != nil || b.refuse != nil && now != nil && (b.serves == nil || now.ID != b.serves.ID) {
				return errors.Join(err, b.refuse)
			}
			b.serves = now
			return nil
		},
		InUse: func() []string { return nil },
		Tell: func(t Told) {
			if !t.Stage.Ended.IsZero() {
				b.stages = append(b.stages, t.Stage.Name+" "+t.Stage.Result)
			}
		},
	}
}

func (b *bench) deploy() *Entry {
	b.t.Helper()
	e, err := b.deployer().Deploy(b.t.Context(), b.t.Context())
	if err != nil {
		b.t.Fatalf("%v\n%s", err, outputs(e))
	}
	return e
}

func outputs(e *Entry) string {
	var all []string
	for _, s := range e.Stages {
		all = append(all, s.Name+": "+s.Output)
	}
	return strings.Join(all, "\n")
}

func (b *bench) app(name string) string {
	b.t.Helper()
	text, err := os.ReadFile(filepath.Join(b.spec.Path, "app", name))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

func (b *bench) releases() []string {
	b.t.Helper()
	var names []string
	es, err := os.ReadDir(filepath.Join(b.spec.Path, "releases"))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, e := range es {
		names = append(names, e.Name())
	}
	return names
}

func TestDeployAndRollback(t *testing.T) {
	b := newBench(t)
	b.spec.Deploy.Shared = []string{"media"}
	b.spec.Deploy.Stages = []appspec.Stage{
		{Name: "migrate", When: "before", Command: []string{"/bin/sh", "-c", "echo $GREETING from `pwd`; id -un; cat app.py"}, Timeout: appspec.Duration(time.Minute)},
		{Name: "notify", When: "after", Command: []string{"/bin/sh", "-c", "cat ../../app/app.py"}, Timeout: appspec.Duration(time.Minute)},
	}
	b.spec.Deploy.Env = map[string]string{"GREETING": "hello"}
	one := b.deploy()
	if want := "fetch ok, unpack ok, compile ok, migrate ok, rollout ok, health ok, switch ok, notify ok, prune ok"; strings.Join(b.stages, ", ") != want {
		t.Errorf("stages %s, want %s", b.stages, want)
	}
	if b.serves == nil || b.serves.ID != one.Release || b.serves.Dir != "releases/"+one.Release || one.Commit != b.git("rev-parse", "HEAD") {
		t.Errorf("serves %+v, deployed %+v", b.serves, one)
	}
	if got := b.app("app.py"); got != "VERSION = 1\n" {
		t.Errorf("app/ holds %q", got)
	}
	migrate := one.Stages[slices.IndexFunc(one.Stages, func(s StageRecord) bool { return s.Name == "migrate" })]
	if want := "hello from " + filepath.Join(b.spec.Path, "releases", one.Release) + "\n" + b.owner.Name + "\nVERSION = 1"; migrate.Output != want {
		t.Errorf("migrate printed %q, want %q", migrate.Output, want)
	}
	upload := filepath.Join(b.spec.Path, "app", "media", "upload")
	if err := os.WriteFile(upload, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}

	b.commit("app.py", "VERSION = 2\n")
	two := b.deploy()
	b.commit("app.py", "VERSION = 3\n")
	three := b.deploy()
	if got := b.app("app.py") + b.app("media/upload"); got != "VERSION = 3\nkept" {
		t.Errorf("after the third deploy app/ holds %q", got)
	}
	e, err := b.deployer().Rollback(t.Context(), t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if e.Release != two.Release || b.app("app.py") != "VERSION = 2\n" || b.serves.ID != two.Release {
		t.Errorf("rolled back to %s, app/ holds %q; want %s", e.Release, b.app("app.py"), two.Release)
	}
	if strings.Join(b.stages, ", ") != "rollout ok, health ok, switch ok" {
		t.Errorf("a rollback went through %s", b.stages)
	}
	if _, err := b.deployer().Rollback(t.Context(), t.Context(), three.ID); err != nil {
		t.Errorf("forward again: %v", err)
	}
	// keep = 2: the newest two good ones, and what serves is the newest of them.
	b.commit("app.py", "VERSION = 4\n")
	four := b.deploy()
	if got, want := b.releases(), []string{three.Release, four.Release}; !slices.Equal(got, want) {
		t.Errorf("kept %v, want %v", got, want)
	}
	_, err = b.deployer().Rollback(t.Context(), t.Context(), one.ID)
	if err == nil || !strings.Contains(err.Error(), "its release was removed") || !strings.Contains(err.Error(), "--commit "+one.Commit) {
		t.Errorf("rollback to a release that is gone: %v", err)
	}
	book, err := b.book.List()
	if err != nil || len(book) != 6 || book[0].ID != four.ID {
		t.Errorf("the logbook has %d entries, %v", len(book), err)
	}
}

// What fails before the rollout changes nothing that serves, and it is said what
// has changed beside it.
func TestDeployThatFails(t *testing.T) {
	b := newBench(t)
	b.commit("api/wsgi.py", "")
	one := b.deploy()
	stage := func(script string) appspec.Stage {
		return appspec.Stage{Name: "migrate", When: "before", Command: []string{"/bin/sh", "-c", script}, Timeout: appspec.Duration(time.Minute)}
	}
	for _, tt := range []struct {
		name   string
		change func(*appspec.Deploy)
		want   string
	}{
		{"no such branch", func(d *appspec.Deploy) { d.Branch = "mian" }, "fetch: "},
		{"no such folder", func(d *appspec.Deploy) { d.Directory = "src" }, "unpack: "},
		{"requirements beside the folder", func(d *appspec.Deploy) { d.Directory, d.Requirements = "api/", []string{"requirements.txt"} },
			"virtualenv: cannot prepare the virtualenv: requirements file requirements.txt is not there; beside it there is: no other; directory = \"api/\" has made that the whole release: for a file outside of it write code = \"api\" into the app in its place"},
		{"a stage fails", func(d *appspec.Deploy) { d.Stages = []appspec.Stage{stage("echo no table; exit 3")} },
			"migrate: /bin/sh -c echo no table; exit 3: exit status 3; before that migrate ran in the new release: its changes remain; the running app was not changed"},
		{"a stage without its module", func(d *appspec.Deploy) {
			d.Stages = []appspec.Stage{stage("echo Traceback; echo \"ModuleNotFoundError: No module named 'django'\"; exit 1")}
		}, "exit status 1; django is not installed for /usr/bin/python3: install it there, or name the files of pip: requirements = [\"requirements.txt\"] in deploy; before that"},
		{"a stage with a part of a module", func(d *appspec.Deploy) {
			d.Stages = []appspec.Stage{stage("echo \"ModuleNotFoundError: No module named 'blog.setings'\"; exit 1")}
		}, "exit status 1; before that"},
		{"a stage hangs", func(d *appspec.Deploy) {
			s := stage("trap '' TERM; sleep 600")
			s.Timeout = appspec.Duration(time.Second)
			d.Stages = []appspec.Stage{s}
		}, "it took longer than 1s and was terminated"},
		{"a stage reads", func(d *appspec.Deploy) { d.Stages = []appspec.Stage{stage("read x || exit 4")} }, "exit status 4"},
		{"a stage that is not there", func(d *appspec.Deploy) {
			s := stage("")
			s.Command = []string{"./manage.py", "migrate"}
			d.Stages = []appspec.Stage{s}
		}, "./manage.py migrate: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			was := *b.spec.Deploy
			defer func() { b.spec.Deploy = &was }()
			d := was
			tt.change(&d)
			b.spec.Deploy = &d
			e, err := b.deployer().Deploy(t.Context(), t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || e.Result != ResultFailed || e.Reason != err.Error() {
				t.Errorf("got %v (%+v), want %q", err, e, tt.want)
			}
			if b.serves.ID != one.Release || b.app("app.py") != "VERSION = 1\n" {
				t.Errorf("serves %s, app/ holds %q", b.serves.ID, b.app("app.py"))
			}
		})
	}
	// A release that does not serve is gone back from.
	b.commit("app.py", "VERSION = 2\n")
	b.refuse = errors.New("its worker cannot start")
	e, err := b.deployer().Deploy(t.Context(), t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "rollout: its worker cannot start") {
		t.Errorf("got %v", err)
	}
	now, _, _, err := b.book.Current()
	if err != nil || now.ID != one.Release || e.Good() || b.app("app.py") != "VERSION = 1\n" {
		t.Errorf("after a rollout that failed %+v should serve, %v; app/ holds %q", now, err, b.app("app.py"))
	}
	b.refuse = nil
	b.deploy()
	if got := b.app("app.py"); got != "VERSION = 2\n" {
		t.Errorf("app/ holds %q", got)
	}
	// Failed releases go first.
	if got := b.releases(); len(got) != 2 || got[0] != one.Release {
		t.Errorf("kept %v", got)
	}
}

// What somebody does to the app while its stages run is told as that, and nothing of
// the release is tried.
func TestDeployOfWhatIsStoppedMeanwhile(t *testing.T) {
	b := newBench(t)
	one := b.deploy()
	for _, at := range []string{StageRollout, StageHealth} {
		d := b.deployer()
		d.Still = func(context.Context) error {
			if len(d.entry.Stages) > 0 && d.entry.Stages[len(d.entry.Stages)-1].Name == at {
				return errors.New("it is stopped; start it first: wsgid-fleet start blog")
			}
			return nil
		}
		d.Health = func(context.Context) (string, error) { return "", errors.New("no master runs for it") }
		_, err := d.Deploy(t.Context(), t.Context())
		if want := at + ": it is stopped; start it first: wsgid-fleet start blog (while it was being deployed)"; err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if now, _, _, err := b.book.Current(); err != nil || now.ID != one.Release {
			t.Errorf("%+v should serve, %v", now, err)
		}
	}
}

// What keeps the previous release from serving as well is told once, as no fault of the
// new one.
func TestDeployThatFailsForWhatIsBesideIt(t *testing.T) {
	b := newBench(t)
	one := b.deploy()
	d := b.deployer()
	d.Rollout = func(context.Context) error { return errors.New("no module mainx") }
	_, err := d.Deploy(t.Context(), t.Context())
	want := "rollout: no module mainx\nso it is with the previous release, " + one.Release + ": not the code is the reason, but what changed beside it; the running app was not changed"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestDeployThatIsAskedToStop(t *testing.T) {
	b := newBench(t)
	stop, ask := context.WithCancel(t.Context())
	d := b.deployer()
	d.Tell = func(told Told) {
		if told.Stage.Name == StageUnpack {
			ask()
		}
	}
	e, err := d.Deploy(t.Context(), stop)
	if err == nil || e.Result != ResultInterrupted || err.Error() != "compile: it was asked to stop; the running app was not changed" {
		t.Errorf("%v, %+v", err, e)
	}
	if b.serves != nil {
		t.Errorf("%+v serves", b.serves)
	}
}

func TestOneDeployAtATime(t *testing.T) {
	b := newBench(t)
	unlock, err := b.book.Lock("deploy of ann since 12:00")
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.book.Lock("deploy of bob")
	if want := "another deploy of it is in progress (deploy of ann since 12:00); wait for it with: --wait"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	unlock()
	if unlock, err = b.book.Lock("deploy of bob"); err != nil {
		t.Fatal(err)
	}
	unlock()
}

// A folder app/ that was there before the first deploy is nobody's to throw away.
func TestFirstDeployOverAFolder(t *testing.T) {
	b := newBench(t)
	app := filepath.Join(b.spec.Path, "app")
	for _, err := range []error{os.Mkdir(app, 0o755), os.WriteFile(filepath.Join(app, "old.py"), []byte("OLD"), 0o644), os.Chown(app, b.owner.UID, b.owner.GID)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	b.deploy()
	if got := b.app("app.py"); got != "VERSION = 1\n" {
		t.Errorf("app/ holds %q", got)
	}
	if text, err := os.ReadFile(app + ".before-deploy/old.py"); string(text) != "OLD" {
		t.Errorf("what was in app/: %q, %v", text, err)
	}
}

// The programs of a deploy are nicer than what serves, by as much as the spec says.
func TestDeployIsNicer(t *testing.T) {
	b := newBench(t)
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, by := range []int{10, 0} {
		b.spec.Deploy.Nice = by
		b.spec.Deploy.Stages = []appspec.Stage{{Name: "nice", Command: []string{"nice"}, When: "before", Timeout: appspec.Duration(time.Minute)}}
		e := b.deploy()
		i := slices.IndexFunc(e.Stages, func(s StageRecord) bool { return s.Name == "nice" })
		if got, want := strings.TrimSpace(e.Stages[i].Output), fmt.Sprint(min(20-raw+by, 19)); got != want {
			t.Errorf("deploy.nice = %d: a stage runs at %q, want %s", by, got, want)
		}
	}
}

// The virtualenv is made for the interpreter that workers run on, whatever python3
// the PATH of the daemon leads to; unchanged requirements make nothing anew.
func TestVirtualenvOfADeploy(t *testing.T) {
	b := newBench(t)
	b.commit("requirements.txt", "# nothing yet\n")
	b.spec.Deploy.Requirements = []string{"requirements.txt"}
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "python3"), []byte("#!/bin/sh\nexit 9\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	one := b.deploy()
	if one.Virtualenv == "" || b.serves.Virtualenv != one.Virtualenv {
		t.Fatalf("deployed %+v, serves %+v", one, b.serves)
	}
	want, err := filepath.EvalSymlinks(appdir.DefaultPython)
	if err != nil {
		t.Skip("no " + appdir.DefaultPython)
	}
	if got, err := filepath.EvalSymlinks(filepath.Join(b.spec.Path, one.Virtualenv, "bin", "python")); got != want {
		t.Errorf("the virtualenv runs %s, %v; want %s", got, err, want)
	}
	b.commit("app.py", "VERSION = 2\n")
	two := b.deploy()
	i := slices.IndexFunc(two.Stages, func(s StageRecord) bool { return s.Name == StageVirtualenv })
	if two.Virtualenv != one.Virtualenv || two.Stages[i].Note != "requirements unchanged" {
		t.Errorf("the second deploy has %s (%q), the first %s", two.Virtualenv, two.Stages[i].Note, one.Virtualenv)
	}
	// What pip does not look at is told: findings/pip-drops-the-rest-of-a-line.sh.
	b.commit("more.txt", "# nothing\n")
	b.commit("requirements.txt", "-r more.txt -r rest.txt\n")
	three := b.deploy()
	if note := three.Stages[i].Note; three.Virtualenv == one.Virtualenv || !strings.Contains(note, "pip drops without a word: requirements.txt: --requirement rest.txt, as it takes one thing of a line: write each on its own") {
		t.Errorf("the third deploy has %s (%q)", three.Virtualenv, note)
	}
}

// project has the repository hold a project that is installed, and a folder hold what
// pip builds it with.
func (b *bench) project() {
	t := b.t
	t.Helper()
	wheels := t.TempDir()
	for _, name := range []string{"setuptools", "wheel"} {
		found, _ := filepath.Glob("/usr/share/python-wheels/" + name + "-*.whl")
		if len(found) == 0 {
			t.Fatalf("there is no wheel of %s: install python3-%s-whl", name, name)
		}
		text, err := os.ReadFile(found[0])
		if err == nil {
			err = os.WriteFile(filepath.Join(wheels, filepath.Base(found[0])), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for dir := wheels; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.spec.Deploy.Install, b.spec.Deploy.Wheels = true, wheels
	b.commit("setup.py", "from setuptools import setup\nsetup(name='proj', version='1', packages=['proj'])\n")
	b.commit("proj/__init__.py", "")
}

// A project is installed into a virtualenv of its release alone: what serves goes on
// importing from its own, whatever the next release has deleted.
func TestProjectIsInstalled(t *testing.T) {
	b := newBench(t)
	b.project()
	b.commit("proj/late.py", "")
	has := func(e *Entry, want string) {
		t.Helper()
		out, err := exec.Command(filepath.Join(b.spec.Path, e.Virtualenv, "bin/python"), "-I", "-c",
			"import proj, pkgutil; print([m.name for m in pkgutil.iter_modules(proj.__path__)])").CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s has %s, %v; want %s", e.ID, got, err, want)
		}
	}
	one := b.deploy()
	has(one, "['late']")
	b.git("rm", "-q", "proj/late.py")
	b.commit("proj/other.py", "")
	two := b.deploy()
	has(two, "['other']")
	has(one, "['late']")
}

// Bytecode of a release carries the hash of its source: a file that a stage has written
// anew, of the same size and time, is what workers import.
func TestBytecodeIsNeverStale(t *testing.T) {
	b := newBench(t)
	b.spec.Deploy.Stages = []appspec.Stage{{Name: "write", When: "before", Timeout: appspec.Duration(time.Minute),
		Command: []string{"/bin/sh", "-c", `test -e __pycache__/app.*.pyc && cp -p app.py old && echo VERSION = 9 >app.py && touch -r old app.py && cmp -s app.py old; test $? = 1`}}}
	one := b.deploy()
	for python, want := range map[string]string{
		"import app; print(app.VERSION)": "9",
		// The flags say that the hash of the source is in it, and is checked.
		"import app, importlib.util as u; print(open(u.cache_from_source(app.__file__), 'rb').read()[4])": "3",
	} {
		cmd := exec.Command(appdir.DefaultPython, "-B", "-c", python)
		cmd.Dir = filepath.Join(b.spec.Path, "releases", one.Release)
		if out, err := cmd.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%s: %s, %v; want %s", python, out, err, want)
		}
	}
}
