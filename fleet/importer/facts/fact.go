package facts

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// Words that a fact may set besides an attribute of the language.
const (
	SetListen     = "listen"     // Value: an address as our listen; Key: a note for it
	SetModule     = "module"     // Value: module, module:attr; Key: the attribute where Value names none
	SetFile       = "file"       // Value: the file of the application; Key: the attribute
	SetDirectory  = "directory"  // Value: the working directory
	SetSearchPath = "searchpath" // Value: a folder for sys.path, in the order of the search
	SetEnv        = "env"        // Key: name, Value: value
	SetSecretEnv  = "secretenv"  // as env, of a file whose values are nobody's to see
	SetEnvFile    = "env_file"   // Value: a file of variables, - before one that need not be there; Vars: what it sets; Key: why it cannot be named
	SetMissing    = "missingenv" // as env, of a secret whose value is not to be had: Key is its name
	SetStatic     = "static"     // Key: url, Value: folder
	SetSocketMode = "sockets.http.mode"
	SetSocketUser = "sockets.http.owner"
	SetSocketGrp  = "sockets.http.group"
	SetProcess    = "process"  // Key: name, List: command, Value: how many, More: other attributes
	SetSchedule   = "schedule" // Key: name, List: command, Value: cron
	SetStage      = "stage"    // Key: name, List: command, which ran before a release
	SetGate       = "gate"     // Value: an address that apps share; Key: "tls", "acme" where certificates came by themselves, "https" for a redirect
	SetLost       = "lost"     // Value: why it was not carried, and what to do instead
	SetNote       = "note"     // Value: what the reader should know; all the same it was carried
	SetHeader     = "header"   // Value: a comment of the whole app
)

// Position is where a fact stands.
type Position struct {
	File string
	Line int // 0: the whole file
}

func (p Position) String() string {
	name := filepath.Base(p.File)
	if p.Line == 0 {
		return name
	}
	return name + ":" + strconv.Itoa(p.Line)
}

// Fact is one thing that a file says.
type Fact struct {
	Set   string // an attribute's path, or one of the words above
	Key   string
	Value string
	List  []string
	More  map[string]string // attributes beside that one
	Vars  []EnvVariable     // of a file of variables, in their order
	Was   string            // as the peer writes it; a secret is not in it
	At    Position
}

// EnvVariable is one of the environment.
type EnvVariable struct{ Name, Value string }

// Each are the facts of single variables that a fact stands for: the fact itself, or those of
// a file of variables.
func (f Fact) Each() []Fact {
	if f.Set != SetEnvFile {
		return []Fact{f}
	}
	all := make([]Fact, len(f.Vars))
	for i, v := range f.Vars {
		all[i] = Fact{Set: SetSecretEnv, Key: v.Name, Value: v.Value, Was: v.Name, At: Position{File: strings.TrimPrefix(f.Value, "-")}}
	}
	return all
}

// App is what the files say of one app.
type App struct {
	Name   string
	Source string // what was read: "/etc/uwsgi/blog.ini (uWSGI)"
	Facts  []Fact
}

// Add adds a fact.
func (a *App) Add(f Fact) { a.Facts = append(a.Facts, f) }

// Lost adds a fact that is not carried over.
func (a *App) Lost(at Position, was, why string) {
	a.Add(Fact{Set: SetLost, Value: why, Was: was, At: at})
}

// Note adds a remark: what it was there, and what is to be known of it.
func (a *App) Note(at Position, was, what string) {
	a.Add(Fact{Set: SetNote, Value: what, Was: was, At: at})
}

// OfShell says what a shell did by a line besides starting a program, and what it took
// from elsewhere. did are the commands of the first that are known; instead is what to do
// about them.
func (a *App) OfShell(at Position, was string, line shellwords.ShellLine, did []string, instead string) {
	if line.Besides || len(did) > 0 {
		what := ""
		if len(did) > 0 {
			what = " (" + CommandText(strings.Join(did, "; ")) + ")"
		}
		a.Lost(at, was, "a shell ran it, and what it did besides starting a program"+what+" is not done"+instead)
	}
	for _, name := range line.Unknown {
		a.Note(at, was, "$"+name+" is not known here, and taken as empty: write its value")
	}
}

// StartedAs adds the user, the group or the umask with which a service manager starts a
// server. The server's own comes later: its umask counts, and its user where it is started
// as root; any other cannot change.
func (a *App) StartedAs(f Fact) {
	if (f.Set == "umask" || f.Value == "root" || f.Value == "0") && HasFact(a, f.Set) {
		return
	}
	a.Add(f)
}
