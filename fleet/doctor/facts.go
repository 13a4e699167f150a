package doctor

import (
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

// States of a finding.
const (
	OK      = "ok"
	Warn    = "warn"    // it works, and may not for long, or not well
	Bad     = "bad"     // something does not work
	Unknown = "unknown" // it could not be looked at
)

// Finding is what one check says of one thing.
type Finding struct {
	Check string `json:"check"`
	State string `json:"state"`
	What  string `json:"what"`
	Do    string `json:"do,omitempty"` // what to do; empty where nothing is
}

// Facts are what Look has read. A number below 0 could not be read.
type Facts struct {
	Apps    []App
	Faults  []string // what is wrong with the specs, a line each
	Daemon  int      // pid of the running daemon; 0: none runs
	AsUser  string   // how the user asks to whom it belongs; empty: it is not known
	Foreign string   // why the fleet that runs here cannot be asked; empty: it can, or none runs
	Root    bool     // this process is root

	OpenFiles, OpenFilesHard int64 // limits of the daemon, or of this process
	Processes                int64
	Watches, Instances       int64 // inotify's limits of a user
	Somaxconn                int64

	Listeners []Listener
	Disks     []Disk

	Clock        time.Time
	Unsynced     bool // the kernel's clock is not disciplined
	Systemd      bool // it is process 1 here
	Unit         map[string]string
	Cgroup       []string // controllers; nil: no unified hierarchy
	ZMQ          string   // the library's file; empty: not found
	StateDir     string
	StateTrouble string // why the state directory cannot be used
	Stale        []string
}

// App is one app of the specs, or the gate, with what was found of it.
type App struct {
	Name        string
	Listen      []string // TCP addresses
	Masters     []int    // pids
	UserError   string
	Python      string // path
	PythonError string
	Closed      string   // which parent folder keeps its user out
	Cgroup      []string // limits that need a controller
	Mongrel2    bool
	Certs       []Certificate
}

// title names the app in a sentence.
func (a App) title() string {
	if a.Name == appspec.GateName {
		return "the gate"
	}
	return "app " + a.Name
}

// spec names what says what the app is.
func (a App) spec() string {
	if a.Name == appspec.GateName {
		return "the gate block"
	}
	return "the spec of " + a.Name
}

// Certificate is one pair of files.
type Certificate struct {
	File    string
	Trouble string
	Do      string
	Soon    bool // it serves, and not for long
	Unread  bool
}

// Listener is a listening TCP socket of this machine.
type Listener struct {
	Host string // an IP address
	Port string
	PID  int    // 0: not known
	Name string // of the process
	Ours bool   // it is a process of this program
}

// Disk is a file system that the fleet writes to.
type Disk struct {
	Path     string
	For      string
	Free     int64 // bytes for this user
	Inodes   int64 // free; below 0: the file system has no such number
	ReadOnly bool
	Error    string
}
