package appspec

import "time"

// The rows of deploy and database. What they say is carried out by the command
// deploy alone: a change of it disturbs nothing that runs.

// deployField is an attribute of the deploy block.
func deployField[T any](field func(*Deploy) *T) func(*Spec, int) any {
	return func(s *Spec, _ int) any {
		if s.Deploy == nil {
			return nil
		}
		return field(s.Deploy)
	}
}

// stageField is an attribute of one stage.
func stageField[T any](field func(*Stage) *T) func(*Spec, int) any {
	return func(s *Spec, i int) any {
		if s.Deploy == nil || i >= len(s.Deploy.Stages) {
			return nil
		}
		return field(&s.Deploy.Stages[i])
	}
}

// databaseField is an attribute of the database block.
func databaseField[T any](field func(*Database) *T) func(*Spec, int) any {
	return func(s *Spec, _ int) any {
		if s.Database == nil {
			return nil
		}
		return field(s.Database)
	}
}

var deployAttributes = []Attribute{
	{Path: "deploy.repository", Type: TypeString, Required: true, NoDefaults: true, Example: `"git@git.example.org:crito/blog.git"`,
		Form: "`user@host:path`, `ssh://…`, `https://…` or `file:///…`, without a password", check: checkRepository,
		Doc: "the git repository with the code",
		at:  deployField(func(d *Deploy) *string { return &d.Repository })},
	{Path: "deploy.branch", Type: TypeString, Default: `""`, Example: `"main"`,
		Form: "the name of a branch", check: checkBranch,
		Doc: "the branch; default: the one that HEAD of the repository names. It moves by the command `deploy` alone",
		at:  deployField(func(d *Deploy) *string { return &d.Branch })},
	{Path: "deploy.commit", Type: TypeString, Default: `"HEAD"`, NoDefaults: true,
		Form: "`HEAD`, a tag, or an object id or its beginning", check: checkCommit,
		Doc: "what is brought here: `HEAD` is the newest of the branch",
		at:  deployField(func(d *Deploy) *string { return &d.Commit })},
	{Path: "deploy.directory", Type: TypeString, Default: `""`, Example: `"src"`,
		Form: "a path in the tree", check: checkTreePath,
		Doc: "the part of the tree that becomes the app's code; default: all of it. Where the code needs what lies beside it, such as one requirements file of several apps, write `code` of the app in its place",
		at:  deployField(func(d *Deploy) *string { return &d.Directory })},
	{Path: "deploy.requirements", Type: TypeList, Default: "[]", Example: `["requirements.txt"]`,
		Form: "paths in the tree, or in its `directory`", check: checkRequirements,
		Doc: "requirement files of pip; from them a virtualenv is made, which releases share while nothing that went into it changes. Not beside `virtualenv`, which then is the operator's own",
		at:  deployField(func(d *Deploy) *[]string { return &d.Requirements })},
	{Path: "deploy.install", Type: TypeBool, Default: "false",
		Doc: "install the tree itself into the virtualenv: `pip install --no-deps .`",
		at:  deployField(func(d *Deploy) *bool { return &d.Install })},
	{Path: "deploy.wheels", Type: TypeString, Default: `""`, Example: `"/srv/wheels"`,
		Form: "an absolute path", check: checkOptionalAbsolute,
		Doc: "a folder with wheels, the only place that packages come from; or `index`. One that is not there yet is a warning, and ends the deploy that needs it",
		at:  deployField(func(d *Deploy) *string { return &d.Wheels })},
	{Path: "deploy.index", Type: TypeString, Default: `""`, Example: `"https://pypi.example.org/simple"`,
		Form: "`https://…`; with a password only by `sensitive()` or `file()`", check: checkIndex,
		Doc: "the package index; default: pip's own",
		at:  deployField(func(d *Deploy) *string { return &d.Index })},
	{Path: "deploy.ssh_key", Type: TypeString, Default: `""`, Example: `"/etc/blog/deploy_key"`,
		Form: "an absolute path", check: checkOptionalAbsolute,
		Doc: "the private key that opens a repository by ssh",
		at:  deployField(func(d *Deploy) *string { return &d.SSHKey })},
	{Path: "deploy.known_hosts", Type: TypeString, Default: `""`, Example: `"/etc/blog/known_hosts"`,
		Form: "an absolute path", check: checkOptionalAbsolute,
		Doc: "the keys of the hosts that a repository by ssh may be on; a host that is not among them is refused",
		at:  deployField(func(d *Deploy) *string { return &d.KnownHosts })},
	{Path: "deploy.shared", Type: TypeList, Default: "[]", Example: `["media"]`,
		Form: "paths in the release, none in another", check: checkSharedPath,
		Doc: "what all releases have together: each becomes a link to `shared/` of the app folder",
		at:  deployField(func(d *Deploy) *[]string { return &d.Shared })},
	{Path: "deploy.submodules", Type: TypeBool, Default: "false",
		Doc: "fetch the submodules as well",
		at:  deployField(func(d *Deploy) *bool { return &d.Submodules })},
	{Path: "deploy.lfs", Type: TypeBool, Default: "false",
		Doc: "fetch what git LFS keeps outside of the repository as well",
		at:  deployField(func(d *Deploy) *bool { return &d.LFS })},
	{Path: "deploy.keep", Type: TypeInt, Default: "5", Min: 1, Max: 1000,
		Doc: "good releases that are kept beside the one that serves, for `rollback`",
		at:  deployField(func(d *Deploy) *int { return &d.Keep })},
	{Path: "deploy.env", Type: TypeMap, Default: "{}", Example: `{ DJANGO_SETTINGS_MODULE = "blog.settings" }`,
		Form: "names without `=`", check: checkText,
		Doc: "environment variables of the stages, over those of `env`, and of pip, which reads no configuration of the machine unless `PIP_CONFIG_FILE` stands here; the app does not get them",
		at:  deployField(func(d *Deploy) *map[string]string { return &d.Env })},
	{Path: "deploy.timeout", Type: TypeDuration, Default: `"10m"`, Min: ms, Max: float64(24 * time.Hour),
		Doc: "time for the fetch, and for the virtualenv with what is installed in it",
		at:  deployField(func(d *Deploy) *Duration { return &d.Timeout })},
	{Path: "deploy.nice", Type: TypeInt, Default: "5", Max: 19,
		Doc: "by how much git, pip, Python and the stages are nicer than what serves (nice(1)): 5 leaves them a third of the CPU time of a competitor, 10 a tenth; 0: not at all",
		at:  deployField(func(d *Deploy) *int { return &d.Nice })},
	{Path: "deploy.stage.command", Type: TypeList, Required: true, Example: `["python", "manage.py", "migrate", "--noinput"]`,
		Form: "a program and its arguments; no shell reads them", check: checkText,
		Doc: "what is run, in the new release, as the app's user",
		at:  stageField(func(s *Stage) *[]string { return &s.Command })},
	{Path: "deploy.stage.when", Type: TypeString, Default: `"before"`, OneOf: []string{"before", "after"},
		Doc: "`before`: while the old code serves; `after`: when the new code does",
		at:  stageField(func(s *Stage) *string { return &s.When })},
	{Path: "deploy.stage.timeout", Type: TypeDuration, Default: `"10m"`, Min: ms, Max: float64(24 * time.Hour),
		Doc: "time for it",
		at:  stageField(func(s *Stage) *Duration { return &s.Timeout })},
	{Path: "deploy.stage.each_host", Type: TypeBool, Default: "false",
		Doc: "of a fleet of many machines: a stage before the rollout runs on one host, for all of them, as a migration must; `true`: on each host, as what writes files beside the code must. One after the switch runs on each host",
		at:  stageField(func(s *Stage) *bool { return &s.EachHost })},

	{Path: "database.engine", Type: TypeString, Required: true, OneOf: []string{"postgresql", "sqlite"}, Example: `"postgresql"`,
		Doc: "the kind of database",
		at:  databaseField(func(d *Database) *string { return &d.Engine })},
	{Path: "database.name", Type: TypeString, NoDefaults: true, Example: `"blog"`,
		Form: "a name; of sqlite a path below `shared/` of the app folder", check: checkText,
		Doc: "its name; default: the name of the app, of sqlite `db.sqlite3`",
		at:  databaseField(func(d *Database) *string { return &d.Name })},
	{Path: "database.owner", Type: TypeString, NoDefaults: true, Example: `"blog"`,
		Form: "a name", check: checkRole,
		Doc: "of postgresql: the role that owns it, made with a password that only the app has; default: `name`",
		at:  databaseField(func(d *Database) *string { return &d.Owner })},
	{Path: "database.server", Type: TypeString, Default: `"unix:/var/run/postgresql"`,
		Form: "`unix:/folder`, `unix:/folder/.s.PGSQL.PORT` or `host:port`", check: checkDatabaseServer,
		Doc: "of postgresql: where it is; `unix:/folder` is the socket of port 5432 in it. By `unix:` its administrator is the user `postgres` (of a daemon that is not root: its own user), by `host:port` the one of `admin`",
		at:  databaseField(func(d *Database) *string { return &d.Server })},
	{Path: "database.admin", Type: TypeString, Example: `trimspace(sensitive("postgres:PASSWORD"))`,
		Form: "`user:password`", check: checkAdmin,
		Doc: "of postgresql by `host:port`: who may make roles and databases, as `trimspace(file(\"…\"))`; the same on all hosts of a fleet",
		at:  databaseField(func(d *Database) *string { return &d.Admin })},
}

var deployBlocks = []Block{
	{Path: "deploy", Doc: "where the code comes from, for the command `deploy`; without it whoever likes puts it into `app/`. In defaults it counts for the apps that have one of their own",
		open: func(s *Spec, _ int) { s.Deploy = &Deploy{} }},
	{Path: "deploy.stage", Many: true, Named: true, Doc: "a command of a deploy, in the order of the file. One with a name that defaults or the app block has as well takes its place, others come behind",
		open: func(s *Spec, i int) {
			if i == len(s.Deploy.Stages) {
				s.Deploy.Stages = append(s.Deploy.Stages, Stage{})
			}
			s.Deploy.Stages[i] = Stage{Name: s.Deploy.Stages[i].Name}
		}},
	{Path: "database", Doc: "a database that the command `deploy` makes where it is not there; it is never changed nor dropped. In defaults it counts for the apps that have one of their own",
		open: func(s *Spec, _ int) { s.Database = &Database{} }},
}

func checkOptionalAbsolute(s string) (string, bool) {
	if s == "" {
		return "", true
	}
	return checkAbsolute(s)
}
