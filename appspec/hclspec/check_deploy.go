package hclspec

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/afero"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// deploy checks what the attributes of a deploy block say together, and brings
// its paths into one form.
func (c *checker) deploy() {
	d := c.spec.Deploy
	if d == nil {
		return
	}
	if d.Directory = path.Clean(d.Directory); d.Directory == "." {
		d.Directory = ""
	}
	for i := range d.Requirements {
		d.Requirements[i] = path.Clean(d.Requirements[i])
		if d.Requirements[i] == "." {
			c.fault("deploy.requirements", "requirements names the tree itself", `write the file: requirements = ["requirements.txt"]`)
		}
	}
	if d.Branch != "" && d.Commit == d.Branch {
		c.fault("deploy.commit", "commit "+c.spec.Shown("deploy.commit", appspec.Quote(d.Commit))+" is the branch", `for the newest of the branch write: commit = "HEAD"`)
	}
	if d.Wheels != "" && d.Index != "" {
		c.fault("deploy.index", "wheels and index in one deploy", "packages come from the folder wheels alone, or from an index: write one of them")
	}
	if appspec.HasPassword(d.Index) && !c.spec.IsSensitive("deploy.index") {
		c.fault("deploy.index", "index contains a password that anyone can see", `write: index = trimspace(file("/etc/…")), or sensitive("…")`)
	}
	c.virtualenv()
	c.shared()
	c.stages()
}

// virtualenv: one that the spec names is the operator's own.
func (c *checker) virtualenv() {
	s := c.spec
	if s.Virtualenv == "" {
		return
	}
	what, other := "", ""
	switch d := s.Deploy; {
	case len(d.Requirements) > 0:
		what, other = "requirements", "requirements = []"
	case d.Install:
		what, other = "install", "install = false"
	default:
		return
	}
	where := "virtualenv"
	if rng, ok := s.Ranges["virtualenv"]; ok {
		where += " of " + rng.Filename + ":" + itoa(rng.Start.Line)
	}
	c.fault("deploy."+what, what+" beside virtualenv: an app keeps the virtualenv that it names, and a deploy installs nothing in it",
		"leave out "+where+" for one that the deploy makes, or write: "+other)
}

// shared: a link cannot stand in another.
func (c *checker) shared() {
	all := c.spec.Deploy.Shared
	shown := func(i int) string { return c.spec.Shown("deploy.shared", appspec.Quote(all[i])) }
	for i := range all {
		all[i] = path.Clean(all[i])
		for j := range i {
			switch {
			case all[i] == all[j]:
				c.fault("deploy.shared", shown(i)+" is listed twice in shared", "remove one")
			case inside(all[i], all[j]):
				c.fault("deploy.shared", "shared has "+shown(i)+" and "+shown(j)+", which holds it", "write "+shown(j)+" alone")
			case inside(all[j], all[i]):
				c.fault("deploy.shared", "shared has "+shown(j)+" and "+shown(i)+", which holds it", "write "+shown(i)+" alone")
			}
		}
	}
}

func (c *checker) stages() {
	for i := range c.spec.Deploy.Stages {
		st := &c.spec.Deploy.Stages[i]
		c.command(explain.StageBlock, i, st.Name, st.Command)
	}
}

// command checks that of block i of a kind of blocks with names.
func (c *checker) command(block string, i int, name string, command []string) (ok bool) {
	written := appspec.Table().Attribute[block+".command"].Written()
	at := appspec.IndexPath(block+".command", i)
	_, said := c.spec.Ranges[at]
	named := explain.LastName(block) + " " + appspec.Quote(name)
	switch {
	case len(command) == 0 && said:
		c.fault(at, "command of "+named+" is empty", "write: "+written)
	case len(command) == 0:
		c.fault(appspec.IndexPath(block, i), named+" has no command", "write: "+written)
	case command[0] == "":
		c.fault(at, "command of "+named+" names no program", "write: "+written)
	default:
		return true
	}
	return false
}

// database checks what the attributes of a database block say together, and fills
// in what they leave to the name.
func (c *checker) database() {
	d := c.spec.Database
	if d == nil {
		return
	}
	switch d.Engine {
	case "sqlite":
		c.sqlite(d)
	case "postgresql":
		c.postgresql(d)
	}
}

func (c *checker) sqlite(d *appspec.Database) {
	_, server := c.spec.Ranges["database.server"]
	for _, other := range []struct {
		name string
		set  bool
	}{{"owner", d.Owner != ""}, {"server", server}, {"admin", d.Admin != ""}} {
		if other.set && !c.ofDefaults("database."+other.name) {
			c.fault("database."+other.name, other.name+" is of postgresql, and engine is \"sqlite\"", "leave it out: a sqlite database is a file of the app")
		}
	}
	d.Owner, d.Server, d.Admin = "", "", ""
	if d.Name == "" {
		d.Name = "db.sqlite3"
		return
	}
	shown := c.spec.Shown("database.name", appspec.Quote(d.Name))
	clean := path.Clean(d.Name)
	switch {
	case strings.HasPrefix(d.Name, "/"), clean == "..", strings.HasPrefix(clean, "../"), clean == ".", strings.HasSuffix(d.Name, "/"), strings.Contains(d.Name, "://"), d.Name == ":memory:":
		instead := "db.sqlite3"
		if base := path.Base(clean); strings.HasPrefix(d.Name, "/") && base != "/" && !c.spec.IsSensitive("database.name") {
			instead = base
		}
		c.fault("database.name", "the sqlite database "+shown+" is not below shared/ of the app folder", "write its path in shared/: name = "+appspec.Quote(instead))
	case strings.HasPrefix(clean, "shared/"):
		c.fault("database.name", "the sqlite database "+shown+" would be shared/shared/…", "its path begins in shared/: name = "+c.spec.Shown("database.name", appspec.Quote(strings.TrimPrefix(clean, "shared/"))))
	}
	d.Name = clean
}

func (c *checker) postgresql(d *appspec.Database) {
	if d.Admin != "" { // however it is written
		c.spec.MarkSensitive("database.admin", true)
	}
	if d.Name == "" {
		d.Name = c.spec.Name
	}
	if instead, ok := appspec.Table().Attribute["database.owner"].Check(d.Name); !ok {
		c.fault("database.name", "name cannot be "+c.spec.Shown("database.name", appspec.Quote(d.Name)), instead)
		return
	}
	if d.Owner == "" {
		d.Owner = d.Name
		if c.spec.IsSensitive("database.name") {
			c.spec.MarkSensitive("database.owner", true)
		}
	}
	switch local := strings.HasPrefix(d.Server, "unix:"); {
	case local && d.Admin != "" && !c.ofDefaults("database.admin"):
		c.fault("database.admin", "admin is for a server by host:port, and this one is "+c.spec.Shown("database.server", appspec.Quote(d.Server)), "leave it out: by its socket the user postgres is the administrator")
	case local:
		d.Admin = ""
	case d.Admin == "":
		c.fault("database.server", "a server by host:port needs an administrator", "write: admin = trimspace(file(\"/etc/…\")), a file with user:password")
	}
}

// ofDefaults tells whether an attribute comes from defaults, and so was not meant
// for this app alone.
func (c *checker) ofDefaults(name string) bool {
	rng, ok := c.spec.Ranges[name]
	return ok && path.Base(rng.Filename) == defaultsFile && path.Base(c.spec.File) != defaultsFile
}

// deployFiles looks for the files and folders of this machine that a deploy takes.
// It is asked anew in each load. What is not there now may be there for the next
// deploy, and nothing that serves needs it: that is a warning. What is of another
// kind is a mistake.
func (c *candidate) deployFiles(fsys afero.Fs, unreadable func(*appspec.Spec, string, bool) Unreadable) {
	d := c.spec.Deploy
	if d == nil {
		return
	}
	k := &checker{spec: c.spec, whole: c.whole}
	for _, f := range []machineFile{
		{"deploy.wheels", d.Wheels, true, "create it, and put the wheels into it: pip wheel -r requirements.txt -w FILE", "chmod -R a+rX FILE"},
		{"deploy.ssh_key", d.SSHKey, false, "make it with: ssh-keygen -t ed25519 -N '' -f FILE, and give FILE.pub to the server", "chown USER FILE && chmod 600 FILE"},
		{"deploy.known_hosts", d.KnownHosts, false, "make it with: ssh-keyscan HOST > FILE, and compare the key with what the server's owner says", "chmod a+r FILE"},
	} {
		if f.name != "" {
			k.machineFile(fsys, f, unreadable)
		}
	}
	for _, w := range k.warned {
		w.Extra = ForDeploy{c.name}
	}
	c.diags = append(c.diags, k.diags...)
	c.warn = append(slices.Clip(c.warn), k.warned...) // those of the cache are shared
}

// machineFile is a file, or a folder, that deploys take from this machine.
type machineFile struct {
	attr, name string
	folder     bool
	// What to do where it is not there, and where the app's user may not read it.
	make, open string
}

func (c *checker) machineFile(fsys afero.Fs, f machineFile, unreadable func(*appspec.Spec, string, bool) Unreadable) {
	short := strings.TrimPrefix(f.attr, "deploy.")
	shown := c.spec.Shown(f.attr, f.name)
	switch info, err := fsys.Stat(f.name); {
	case errors.Is(err, fs.ErrNotExist):
		c.warn(f.attr, short+" "+shown+" is not there: "+reason(fsys, f.name, err).Error(), strings.ReplaceAll(f.make, "FILE", shown))
		return
	case err != nil: // who deploys may be let look
		return
	case f.folder && !info.IsDir():
		c.fault(f.attr, short+" "+shown+" is not a folder", "write the folder that holds the wheels")
		return
	case !f.folder && info.IsDir():
		c.fault(f.attr, short+" "+shown+" is a folder", "write the file in it")
		return
	}
	if unreadable == nil || c.spec.IsSensitive(f.attr) {
		return
	}
	switch u := unreadable(c.spec, f.name, f.folder); {
	case u.Open && f.attr == "deploy.ssh_key":
		c.warn(f.attr, "ssh does not use ssh_key "+shown+", since others than its owner may read it", "chmod 600 "+shown)
	case u.Why != "":
		c.warn(f.attr, short+" "+shown+" cannot be read by the user that deploys run as: "+u.Why,
			cmp.Or(u.Instead, strings.NewReplacer("FILE", shown, "USER", u.User).Replace(f.open)))
	}
}
