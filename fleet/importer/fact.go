package importer

import (
	"path/filepath"
	"strconv"
)

// Words that a fact may set besides an attribute of the language.
const (
	setListen     = "listen"     // Value: an address as our listen; Key: a note for it
	setModule     = "module"     // Value: module, module:attr; Key: the attribute where Value names none
	setFile       = "file"       // Value: the file of the application; Key: the attribute
	setDirectory  = "directory"  // Value: the working directory
	setSearchPath = "searchpath" // Value: a folder for sys.path, in the order of the search
	setEnv        = "env"        // Key: name, Value: value
	setSecretEnv  = "secretenv"  // as env, of a file whose values are nobody's to see
	setStatic     = "static"     // Key: url, Value: folder
	setSocketMode = "sockets.http.mode"
	setSocketUser = "sockets.http.owner"
	setSocketGrp  = "sockets.http.group"
	setProcess    = "process"  // Key: name, List: command, Value: how many, More: other attributes
	setSchedule   = "schedule" // Key: name, List: command, Value: cron
	setLost       = "lost"     // Value: why it was not carried, and what to do instead
	setNote       = "note"     // Value: what the reader should know; all the same it was carried
	setHeader     = "header"   // Value: a comment of the whole app
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
	Was   string            // as the peer writes it; a secret is not in it
	At    Position
}

// App is what the files say of one app.
type App struct {
	Name   string
	Source string // what was read: "/etc/uwsgi/blog.ini (uWSGI)"
	Facts  []Fact
}

func (a *App) add(f Fact) { a.Facts = append(a.Facts, f) }

// lost adds a fact that is not carried over.
func (a *App) lost(at Position, was, why string) {
	a.add(Fact{Set: setLost, Value: why, Was: was, At: at})
}

func (a *App) note(at Position, was, what string) {
	a.add(Fact{Set: setNote, Value: what, Was: was, At: at})
}
