package importer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
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
var Formats = []string{"wsgid", "uwsgi", "gunicorn", "supervisord", "systemd", "procfile", "apache", "unit", "init", "command"}

// readers are the formats besides wsgid's folders.
var readers = map[string]func(Options, string) ([]*App, error){
	"uwsgi":       Options.uwsgi,
	"gunicorn":    Options.gunicornFile,
	"supervisord": Options.supervisord,
	"systemd":     Options.systemd,
	"procfile":    Options.procfile,
	"apache":      Options.apache,
	"unit":        Options.unit,
	"init":        Options.initFile,
	"command":     Options.commandLine,
}

// Options are what an import needs to know besides the path.
type Options struct {
	Format    string // one of Formats; empty: found out by what is there
	Stdin     io.Reader
	LookupEnv func(string) (string, bool) // nil: os.LookupEnv
}

func (o Options) lookupEnv(name string) (string, bool) {
	if o.LookupEnv != nil {
		return o.LookupEnv(name)
	}
	return os.LookupEnv(name)
}

// maxFile is the largest configuration that is read: no peer's is larger, and what
// is was meant to be something else.
const maxFile = 4 << 20

// Import reads what a path holds and returns the specs of its apps. One app that
// cannot be imported does not keep the others from it: their errors are joined.
func (o Options) Import(path string) ([]*Imported, error) {
	found, err := o.read(path)
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

func (o Options) read(path string) ([]source, error) {
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
		out[i] = source{a.Name, a.Source, a.spec}
	}
	return out, err
}

// distinct gives apps of one name a number each.
func distinct(apps []*App) {
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

var notInName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[^a-z0-9_-]+`) })

// appNameOf makes an app's name of its folder's or file's.
func appNameOf(path string) string {
	name := notInName().ReplaceAllString(strings.ToLower(filepath.Base(path)), "-")
	name = strings.Trim(name, "-_")
	if len(name) > 63 {
		name = strings.TrimRight(name[:63], "-_")
	}
	if name == "" {
		return "app"
	}
	return name
}
