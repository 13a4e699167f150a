package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/source"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/venv"
	"github.com/wsgid-fleet/wsgid-fleet/runner/appdir"
)

// Deployer carries out one deploy or rollback of one app, whose lock it holds.
type Deployer struct {
	Book  *Book
	Spec  *appspec.Spec // as the directory has it, without a release
	Owner appdir.Owner
	By    string // who asks for it
	Order string // what the asker calls it; may be empty
	Ref   string // instead of the spec's commit; empty: that one

	// Still says why a release of Spec cannot serve any more: the app was stopped, say, or
	// removed, while the stages ran. nil: nobody is asked.
	Still func(ctx context.Context) error
	// Rollout brings the app to what Book says should serve, and waits. An error
	// says why it does not serve so.
	Rollout func(ctx context.Context) error
	// Health asks whether the app that was rolled out is well: a note for people, or
	// why it is not. One that sleeps is woken for it. nil: nobody is asked.
	Health func(ctx context.Context) (note string, err error)
	// InUse are the releases that something runs from now.
	InUse func() []string
	// Sweep is to remove what a prune has put aside (EmptyTrash), while the deploy goes
	// on. nil: the prune does so itself.
	Sweep func()
	// StageHost makes the folder that goes into PYTHONPATH of the stages of an app with
	// a django.json. nil: they do without it.
	StageHost func() (string, error)
	// Turn waits before a stage for other hosts of the fleet; elsewhere says where it has
	// run already, for all of them. nil: this host is alone.
	Turn func(ctx context.Context, s Step, e *Entry) (elsewhere string, err error)
	// Agree is database.Maker's.
	Agree func(ctx context.Context, name, mine, instead string) (string, error)
	// Pythons are the interpreters that an earlier deploy has asked what they are; nil: none.
	Pythons *venv.Interpreters
	// ID is what the deploy is called on all hosts, if it is newer than what is here;
	// empty: the time says.
	ID string
	// Tell is called as things happen.
	Tell func(Told)
	// Mask hides secrets in what is told and kept. May be nil.
	Mask func(string) string
	// Learn hears of a spec with secrets that were made on the way, before anything
	// else does: Mask is to hide them as well. May be nil.
	Learn func(*appspec.Spec)
	Now   func() time.Time
	// Earlier are the entries of Book, the newest first, where they were read
	// already. Whoever holds the lock is alone to change them.
	Earlier *Entries

	entry   *Entry
	last    *Entry // the last good deploy; nil: none
	account account
	tree    string          // the release folder, absolute
	runs    venv.Virtualenv // of the release, once it is known
	before  *Record         // what served when the rollout began; nil: no release
	commit  source.Commit
	// compiler waits for the release that it is to compile; nil: none does.
	compiler *child.Waiting
	made     *appspec.Made // what workers are told of the database; nil: there is none
}

// Told is one thing that happens on the way of a deploy.
type Told struct {
	Entry *Entry
	Stage *StageRecord  // begins where it has not ended yet
	Last  time.Duration // that it took last time; 0: not known
}

// Deploy goes through all stages. stop asks it to end where nothing is touched
// yet; ctx ends it at once. The entry says how it went, with the same reason as
// the error; it is nil only where the logbook cannot be written.
func (d *Deployer) Deploy(ctx, stop context.Context) (*Entry, error) {
	e, err := d.begin(KindDeploy)
	if err != nil {
		return nil, err
	}
	e.Ref = cmp.Or(d.Ref, refOf(d.Spec.Deploy))
	e.Release = e.ID
	d.tree = filepath.Join(d.Spec.Path, "releases", e.Release)
	return d.walk(ctx, stop, Steps(d.Spec))
}

// Rollback goes to the release of an earlier entry; empty: the one before the
// current one.
func (d *Deployer) Rollback(ctx, stop context.Context, id string) (*Entry, error) {
	to, err := d.earlier(id)
	if err != nil {
		return nil, err
	}
	switch tree, err := d.open("releases/" + to.Release); {
	case err == nil:
		_ = tree.Close()
	case errors.Is(err, fs.ErrNotExist): // path was changed since
		return nil, fmt.Errorf("cannot roll %s back to %s: its release %s is not in %s/releases; deploy its commit again: wsgid-fleet deploy %s --commit %s",
			d.Spec.Name, to.ID, to.Release, d.Spec.Path, d.Spec.Name, to.Commit)
	}
	e, err := d.begin(KindRollback)
	if err != nil {
		return nil, err
	}
	e.Ref, e.Commit, e.Release, e.Virtualenv = to.ID, to.Commit, to.Release, to.Virtualenv
	d.tree = filepath.Join(d.Spec.Path, "releases", e.Release)
	return d.walk(ctx, stop, RollbackSteps())
}

// earlier finds the entry whose release a rollback goes to.
func (d *Deployer) earlier(id string) (*Entry, error) {
	book := d.earliers()
	if book.Err != nil && len(book.All) == 0 {
		return nil, book.Err
	}
	cur, _, _, err := d.Book.Current()
	if err != nil {
		return nil, err
	}
	return Earlier(d.Spec.Name, book.All, cur, id)
}

// earliers are the entries from before this one, read once.
func (d *Deployer) earliers() *Entries {
	if d.Earlier == nil {
		d.Earlier = d.Book.Entries()
	}
	return d.Earlier
}

// Earlier chooses the deploy that a rollback goes to: the one of that id, or the good
// one that served before the current release. It is pure; book is newest first.
func Earlier(app string, book []*Entry, cur *Record, id string) (*Entry, error) {
	for _, e := range book {
		switch {
		case id != "" && e.ID == id && e.Kind == KindRollback:
			return nil, fmt.Errorf("cannot roll %s back to %s: that was a rollback itself, to %s", app, id, e.Release)
		case id != "" && e.ID == id && e.Pruned:
			return nil, fmt.Errorf("cannot roll %s back to %s: its release was removed (keep = in the deploy block); deploy its commit again: wsgid-fleet deploy %s --commit %s", app, id, app, e.Commit)
		case id != "" && e.ID == id && !e.Good():
			return nil, fmt.Errorf("cannot roll %s back to %s: that deploy %s", app, id, e.outcome())
		case id != "" && e.ID == id && cur != nil && cur.ID == e.Release:
			return nil, fmt.Errorf("cannot roll %s back to %s: that release is the current one", app, id)
		case id != "" && e.ID == id:
			return e, nil
		}
	}
	if id == "" && cur != nil {
		if e := servedBefore(book, cur.ID); e != nil {
			return e, nil
		}
	}
	if id != "" {
		return nil, fmt.Errorf("cannot roll %s back: no deploy %q; list them with: wsgid-fleet deploys %s", app, id, app)
	}
	if cur == nil {
		return nil, fmt.Errorf("cannot roll %s back: no deploy of it is known; deploy it with: wsgid-fleet deploy %s", app, app)
	}
	return nil, fmt.Errorf("cannot roll %s back: there is no good release before %s; list them with: wsgid-fleet deploys %s", app, cur.ID, app)
}

// servedBefore is the good deploy whose release served when another one was deployed, or
// before that, and so on; nil: there is none. A release that was gone back from is not
// gone back to, though it is newer: it served when none of those after it was deployed.
func servedBefore(book []*Entry, release string) *Entry {
	before, deploys, now := map[string]string{}, map[string]*Entry{}, ""
	for _, e := range slices.Backward(book) {
		if e.Result != ResultOK || e.Release == "" {
			continue
		}
		if e.Kind == KindDeploy {
			before[e.Release], deploys[e.Release] = now, e
		}
		now = e.Release
	}
	for release != "" {
		next, known := before[release]
		if !known { // its entry cannot be read: the newest one before it
			for id, e := range deploys {
				if e.Good() && id < release && id > next {
					next = id
				}
			}
		}
		if next >= release {
			return nil
		}
		if e := deploys[next]; e != nil && e.Good() {
			return e
		}
		release = next
	}
	return nil
}

// refOf is what a spec deploys: a branch, or the commit that it names.
func refOf(d *appspec.Deploy) string {
	if d.Commit != "" && d.Commit != "HEAD" {
		return d.Commit
	}
	return cmp.Or(d.Branch, "HEAD")
}

func (d *Deployer) begin(kind string) (*Entry, error) {
	now := d.now()
	id, err := d.Book.NewID(now)
	if err != nil {
		return nil, err
	}
	if es := d.earliers().All; d.ID != "" && (len(es) == 0 || es[0].ID < d.ID) {
		id = d.ID
	}
	for _, e := range d.earliers().All {
		if e.Kind == kind && e.Result == ResultOK {
			d.last = e
			break
		}
	}
	d.account = account{owner: d.Owner, mask: d.Mask}
	d.entry = &Entry{ID: id, App: d.Spec.Name, Kind: kind, By: d.By, Order: d.Order, Began: now, Result: ResultRunning, Stages: []StageRecord{}}
	if err := d.Book.Save(d.entry); err != nil {
		return nil, fmt.Errorf("cannot %s %s: %w", kind, d.Spec.Name, err)
	}
	return d.entry, nil
}

func (d *Deployer) now() time.Time {
	if d.Now != nil {
		return d.Now()
	}
	return time.Now()
}

// since is now by the clock as it was when something began: how long it took is true in the
// logbook, though the clock was set meanwhile.
func (d *Deployer) since(began time.Time) time.Time { return began.Add(d.now().Sub(began)) }

// walk goes through the stages and ends the entry, aside from what serves.
func (d *Deployer) walk(ctx, stop context.Context, steps []Step) (e *Entry, err error) {
	if d.Spec.Deploy != nil {
		ctx = child.Nicer(ctx, d.Spec.Deploy.Nice)
	}
	child.Aside(ctx, func(ctx context.Context) { e, err = d.goThrough(ctx, stop, steps) })
	return e, err
}

func (d *Deployer) goThrough(ctx, stop context.Context, steps []Step) (*Entry, error) {
	e := d.entry
	d.compileAhead(ctx)
	defer func() { d.compiler.Drop(); d.commit.Close() }()
	for _, s := range steps {
		err := context.Cause(ctx)
		if err == nil && (s.Before() || s.Name == StageRollout) && stop.Err() != nil {
			err = errors.New("it was asked to stop")
			e.Result = ResultInterrupted
		}
		elsewhere := ""
		if err == nil && d.Turn != nil {
			elsewhere, err = d.Turn(ctx, s, e)
		}
		if err == nil {
			err = d.step(ctx, s, elsewhere)
		}
		if err != nil {
			if ctx.Err() != nil {
				e.Result = ResultInterrupted
			}
			return d.failed(s, err)
		}
	}
	e.Result, e.Ended = ResultOK, d.since(e.Began)
	return e, d.save()
}

// step carries out one stage, unless it was done elsewhere. The book of it is kept as it
// begins, which is when that of the stage before is as well; the last one's goes with the
// end of the deploy.
func (d *Deployer) step(ctx context.Context, s Step, elsewhere string) error {
	e := d.entry
	e.Stages = append(e.Stages, StageRecord{Name: s.Name, Title: s.Title, Began: d.now(), Result: ResultRunning})
	if err := d.save(); err != nil {
		e.Stages = e.Stages[:len(e.Stages)-1] // it does not run
		return err
	}
	rec := &e.Stages[len(e.Stages)-1]
	d.tell(rec)
	note, output, err := elsewhere, "", error(nil)
	if elsewhere == "" {
		do := func() { note, output, err = d.do(ctx, s) }
		if s.Name == StageRollout || s.Name == StageHealth {
			child.Front(ctx, do) // masters and workers serve as others do
		} else {
			do()
		}
	}
	rec.Note, rec.Output = d.masked(note), d.masked(output)
	rec.Ended, rec.Result = d.since(rec.Began), ResultOK
	if err != nil {
		rec.Result = ResultFailed
		if ctx.Err() != nil {
			rec.Result = ResultInterrupted
		}
	}
	d.tell(rec)
	if d.Turn != nil { // the next one may have to wait for long
		if serr := d.save(); err == nil {
			err = serr
		}
	}
	return err
}

func (d *Deployer) tell(rec *StageRecord) {
	if d.Tell == nil {
		return
	}
	t := Told{Entry: d.entry, Stage: rec}
	if d.last != nil {
		if i := slices.IndexFunc(d.last.Stages, func(s StageRecord) bool { return s.Name == rec.Name }); i >= 0 {
			t.Last = d.last.Stages[i].Took()
		}
	}
	d.Tell(t)
}

func (d *Deployer) save() error {
	if err := d.Book.Save(d.entry); err != nil {
		return fmt.Errorf("cannot keep the logbook of %s: %w", d.Spec.Name, err)
	}
	return nil
}

func (d *Deployer) masked(text string) string {
	if d.Mask == nil {
		return text
	}
	return d.Mask(text)
}

// failed ends the entry where a stage has failed, and says what that means for
// what serves.
func (d *Deployer) failed(s Step, err error) (*Entry, error) {
	e := d.entry
	text := fmt.Sprintf("%s: %s", s.Name, d.masked(err.Error()))
	switch {
	case s.Before() || s.reverts():
		_, meanwhile := errors.AsType[*meanwhileError](err)
		switch ran := e.stagesRun(); {
		case !meanwhile:
			text += "; " + e.Left()
		case ran != "":
			text += "; before that " + ran
		}
	default:
		text += "; the new release is serving"
	}
	if e.Result != ResultInterrupted {
		e.Result = ResultFailed
	}
	e.Reason, e.Ended = text, d.since(e.Began)
	if !s.Before() && !s.reverts() {
		// It serves, and can be gone back to.
		e.Result = ResultOK
	}
	serr := d.save()
	return e, errors.Join(errors.New(text), serr)
}

// Back makes an earlier release the one that should serve, nil: none, and brings
// the app to it.
func (d *Deployer) Back(ctx context.Context, to *Record) error {
	if err := d.Book.SetCurrent(to, nil); err != nil {
		return fmt.Errorf("and the previous release could not be made current again: %w", err)
	}
	if err := d.Rollout(ctx); err != nil && to != nil {
		return fmt.Errorf("and the previous release, %s, does not serve correctly: %w", to.ID, err)
	}
	return nil
}
