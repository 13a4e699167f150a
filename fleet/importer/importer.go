package importer

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/apache"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/gunicorn"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/kamal"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/paste"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/piku"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/procfile"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/supervisord"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/unit"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
)

// Imported is the spec of one app.
type Imported struct {
	Name string // of the app
	Text []byte // HCL, a whole spec file; it holds no secrets
	// Notes are what could not be carried over, or should be looked at, one
	// sentence each; the text has them as comments.
	Notes []string
	// Incomplete tells that something was not carried over, or that the text is no
	// good spec yet; a note says what is missing.
	Incomplete bool
	// Secrets are the files that the text names by file(), by their paths relative
	// to the folder of the spec, with what belongs into them.
	Secrets map[string]string
}

// Formats are what can be read, by the names that Options.Format takes.
var Formats = []string{"wsgid", "uwsgi", "gunicorn", "supervisord", "systemd", "procfile", "piku", "kamal", "apache", "unit", "paste", "init", "command"}

// readers are the formats besides wsgid's folders.
var readers = map[string]func(facts.Options, string) ([]*facts.App, error){
	"uwsgi":       uwsgi.Read,
	"gunicorn":    gunicorn.Read,
	"supervisord": supervisord.Read,
	"systemd":     systemd.Read,
	"procfile":    procfile.Read,
	"piku":        piku.Read,
	"kamal":       kamal.Read,
	"apache":      apache.Read,
	"unit":        unit.Read,
	"paste":       paste.Read,
	"init":        command.ReadInit,
	"command":     command.Read,
}

// Import reads what a path holds and returns the specs of its apps. One app that
// cannot be imported does not keep the others from it: their errors are joined.
func Import(o facts.Options, path string) ([]*Imported, error) {
	found, err := read(o, path)
	made := make([]*Imported, len(found))
	errs := make([]error, len(found))
	var wg sync.WaitGroup
	turns := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, a := range found {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			var err error
			if made[i], err = a.make(); err != nil {
				errs[i] = fmt.Errorf("cannot import %s: %w", a.Source, err)
			}
		})
	}
	wg.Wait()
	var out []*Imported
	for i := range found {
		if errs[i] == nil {
			out = append(out, made[i])
		}
	}
	return out, errors.Join(append([]error{err}, errs...)...)
}

// source is an app as a reader leaves it.
type source struct {
	Name, Source string
	make         func() (*Imported, error)
}

func read(o facts.Options, path string) ([]source, error) {
	format := o.Format
	if format == "" {
		var err error
		if format, err = detect(path); err != nil {
			return nil, fmt.Errorf("cannot import %s: %w", path, err)
		}
	}
	if format == "wsgid" {
		imported, err := importFolder(path)
		if err != nil {
			return nil, err
		}
		return []source{{imported.Name, path, func() (*Imported, error) { return imported, nil }}}, nil
	}
	read := readers[format]
	if read == nil {
		return nil, fmt.Errorf("cannot import %s: there is no format %q; there are %s", path, format, strings.Join(Formats, ", "))
	}
	apps, err := read(o, path)
	if err != nil {
		err = fmt.Errorf("cannot import %s: %w", path, err)
	}
	distinct(apps)
	out := make([]source, len(apps))
	for i, a := range apps {
		out[i] = source{a.Name, a.Source, func() (*Imported, error) { return spec(a) }}
	}
	return out, err
}

// distinct gives apps of one name a number each.
func distinct(apps []*facts.App) {
	taken := map[string]bool{}
	for _, a := range apps {
		base := a.Name
		for i := 2; taken[a.Name]; i++ {
			end := "-" + strconv.Itoa(i)
			a.Name = base[:min(len(base), 63-len(end))] + end
		}
		taken[a.Name] = true
	}
}
