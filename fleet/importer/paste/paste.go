package paste

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/gunicorn"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/waitress"
)

// mark tells a file of PasteDeploy from others with sections.
var mark = regexp.MustCompile(`(?m)^\[(app|application|composite?|pipeline|filter-app|server):[^\]]+\]`)

// Detect tells whether a text is such a file.
func Detect(text []byte) bool { return mark.Match(text) }

// Read is a file, as pserve serves it.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := read(abs, nil); err != nil {
		return nil, err
	}
	dir := filepath.Dir(abs)
	a := &facts.App{Name: facts.NameOfFile(abs), Source: abs + " (PasteDeploy)"}
	if err := serve(o, a, facts.Command{Dir: dir, At: facts.Position{File: abs}}, order{file: abs}); err != nil {
		return nil, err
	}
	return []*facts.App{a}, nil
}

// order is what is to be served.
type order struct {
	file, app, server string
	given             map[string]string
}

// IsServer tells whether a program serves a file of PasteDeploy.
func IsServer(name string) bool { return name == "pserve" || name == "pserve3" }

// Command reads a command line of pserve.
func Command(o facts.Options, a *facts.App, c facts.Command) error {
	to := order{given: map[string]string{}}
	args := c.Argv[1:]
	for i := 0; i < len(args); i++ {
		name, value, has := strings.Cut(args[i], "=")
		takes := slices.Contains([]string{"-n", "--app-name", "-s", "--server", "--server-name"}, name)
		if takes && !has {
			if i++; i >= len(args) {
				return fmt.Errorf("%s: pserve's option %s wants a value", c.At, name)
			}
			value = args[i]
		}
		switch {
		case name == "-n" || name == "--app-name":
			to.app = value
		case name == "--server-name":
			to.server = value
		case takes:
			a.Lost(c.At, name+" "+value, "the server of the file is taken: what that one was told has to be written by hand")
		case name == "--reload":
			a.Lost(c.At, name, "after a change of code run: wsgid-fleet reload APP")
		case strings.HasPrefix(name, "-"):
		case to.file == "":
			to.file = args[i]
		case has:
			to.given[name] = value
			a.Lost(c.At, facts.HideSecrets(args[i]), "an app is told no variables: write it into the file, below [DEFAULT]")
		}
	}
	if to.file == "" {
		return fmt.Errorf("%s: pserve names no file", c.At)
	}
	if c.Was == "" {
		c.Was = strings.Join(append([]string{"pserve"}, filepath.Base(to.file)), " ")
	}
	return serve(o, a, c, to)
}

func serve(o facts.Options, a *facts.App, c facts.Command, to order) error {
	path, section, _ := strings.Cut(strings.TrimPrefix(to.file, "config:"), "#")
	path = facts.Rel(c.Dir, path)
	a.PasteApp(c.Dir, path+"#"+facts.Either(to.app, section), facts.Either(c.Was, filepath.Base(path)), c.At)
	a.Add(facts.Fact{Set: facts.SetDirectory, Value: c.Dir, At: c.At})
	f, err := read(path, to.given)
	if err != nil {
		a.Lost(facts.Position{File: path}, "", "it cannot be read: "+err.Error())
		return nil
	}
	virtualenv(a, path)
	return f.server(o, a, c, to)
}

// virtualenv takes the one that lies beside the file, where the command names none.
func virtualenv(a *facts.App, path string) {
	if facts.HasFact(a, "virtualenv") {
		return
	}
	for _, name := range []string{"env", "venv", ".venv", "../env", "../venv", "../.venv"} {
		if at := filepath.Join(filepath.Dir(path), name); facts.Exists(filepath.Join(at, "pyvenv.cfg")) {
			a.Add(facts.Fact{Set: "virtualenv", Value: at, Was: "the one beside it", At: facts.Position{File: path}})
			return
		}
	}
	a.Note(facts.Position{File: path}, "", "if pserve is in a virtualenv, name it: virtualenv = \"…\"")
}

// server carries over what the server of the file is told.
func (f *file) server(o facts.Options, a *facts.App, c facts.Command, to order) error {
	name := facts.Either(to.server, "main")
	told, err := f.told("server", name, to.given, 0)
	if err != nil {
		return fmt.Errorf("%s: %w", f.path, err)
	}
	if told == nil {
		a.Lost(facts.Position{File: f.path}, "", "it has no section [server:"+name+"], which says where to listen: write a socket into the block sockets")
		return nil
	}
	for _, s := range told.dropped {
		a.Lost(s.At, facts.HideSecrets(s.Was), "the name stands in [DEFAULT] too, or was given in the command line, and PasteDeploy does not tell it the server then")
	}
	settings := told.settings
	use := settings["use"]
	delete(settings, "use")
	kind, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(use.Value(), "egg:")), "#")
	c.At = facts.Position{File: f.path, Line: use.At.Line}
	switch kind {
	case "waitress":
		waitress.Settings(a, c, settings)
	case "gunicorn":
		return gunicorn.Section(o, a, c, settings)
	default:
		f.other(a, c, use, settings)
	}
	return nil
}

// other is a server that is not known: its address is, as all name it so.
func (f *file) other(a *facts.App, c facts.Command, use facts.Setting, settings map[string]facts.Setting) {
	host, port := settings["host"], settings["port"]
	if port.Value() == "" {
		a.Lost(use.At, use.Was, "what this server does is not known here: write a socket into the block sockets")
	} else {
		a.Add(facts.Fact{Set: facts.SetListen, Value: facts.Either(host.Value(), "127.0.0.1") + ":" + port.Value(), Was: port.Was, At: port.At})
		a.Note(use.At, use.Was, "what this server does is not known here, but for its address")
	}
	delete(settings, "host")
	delete(settings, "port")
	for _, name := range facts.SortedKeys(settings) {
		s := settings[name]
		if name == "threadpool_workers" {
			a.Add(facts.Fact{Set: "workers.threads", Value: s.Value(), Was: s.Was, At: s.At})
			continue
		}
		a.Lost(s.At, facts.HideSecrets(s.Was), "no counterpart of it is known here")
	}
}
