package appspec

// Deploy is the deploy block: where the code comes from, and what is done before
// it serves. It is carried out by the command deploy alone; a change of it changes
// nothing that runs.
type Deploy struct {
	Repository   string            `json:"repository"`             // ssh (both forms), https or file:///
	Branch       string            `json:"branch"`                 // empty: the one that HEAD of the repository names
	Commit       string            `json:"commit"`                 // HEAD of the branch, a tag, or an object id
	Directory    string            `json:"directory"`              // the part of the tree that becomes app/; empty: all of it
	Requirements []string          `json:"requirements,omitempty"` // relative to the tree
	Install      bool              `json:"install"`                // pip install --no-deps .
	Wheels       string            `json:"wheels"`                 // a folder: --no-index --find-links
	Index        string            `json:"index"`                  // empty: pip's own
	SSHKey       string            `json:"ssh_key"`
	KnownHosts   string            `json:"known_hosts"`
	Shared       []string          `json:"shared,omitempty"` // links in each release to shared/ of the app folder
	Submodules   bool              `json:"submodules"`
	LFS          bool              `json:"lfs"`
	Keep         int               `json:"keep"`          // good releases that are kept
	Env          map[string]string `json:"env,omitempty"` // of the stages only
	Timeout      Duration          `json:"timeout"`       // of fetch, and of virtualenv and install
	Nice         int               `json:"nice"`          // of the programs that it runs
	Stages       []Stage           `json:"stages,omitempty"`
}

// Stage is one command of a deploy, run in the new release as the app's user.
type Stage struct {
	Name    string   `json:"name"`
	Command []string `json:"command"`
	When    string   `json:"when"` // before the rollout, or after the switch
	Timeout Duration `json:"timeout"`
	// EachHost: of a fleet of many machines each host runs it, not one for all.
	EachHost bool `json:"each_host,omitempty"`
}

// OwnStages are those that a deploy has without the spec, so that none of the spec
// has such a name. A reader of a deploy's record tells both apart by it.
var OwnStages = []string{"lock", "fetch", "unpack", "virtualenv", "install", "compile", "database", "rollout", "health", "switch", "prune"}

// Database is the database block: what is made for the app where it is not there.
type Database struct {
	Engine string `json:"engine"` // postgresql or sqlite
	Name   string `json:"name"`   // sqlite: a path below shared/ of the app folder
	Owner  string `json:"owner"`  // postgresql: the role
	Server string `json:"server"` // postgresql: unix:/folder or host:port
	Admin  string `json:"admin"`  // postgresql by host:port: user:password of an administrator
}
