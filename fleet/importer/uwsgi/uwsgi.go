package uwsgi

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

var vassalEndings = []string{".xml", ".ini", ".yml", ".yaml", ".js", ".json"}

// IsVassal tells whether the Emperor starts a file of that name.
func IsVassal(name string) bool {
	for _, end := range vassalEndings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// emperor is what an Emperor gives its vassals.
type emperor struct {
	before, set, after []string // files, NAME=VALUE, files
	include            map[string]bool
	tyrant             bool
	name               string // who it is; empty: the Emperor
	place              string // why it works where it does, without chdir; empty: nobody knows
}

// debianService is what Debian's service for uWSGI gives to a file of apps-enabled or
// apps-available, before the file's own options.
func debianService(file string) emperor {
	dir := filepath.Base(filepath.Dir(file))
	if dir != "apps-enabled" && dir != "apps-available" {
		return emperor{}
	}
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return emperor{name: "Debian's default.ini", place: "no chdir, so where Debian's service starts it",
		set: []string{"master=true", "workers=2", "socket=/run/uwsgi/app/" + name + "/socket", "chmod-socket=660", "uid=www-data", "gid=www-data", "umask=0"}}
}

// Read reads a configuration of uWSGI, or a folder of them.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	if path == "-" {
		return readStdin(o)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return vassals(o, abs, emperor{})
	}
	file, _ := CutSection(abs)
	if _, err := os.Stat(abs); err == nil {
		file = abs // a colon of its own
	}
	service, cwd := debianService(file), filepath.Dir(file)
	if service.name != "" {
		cwd = "/"
	}
	c, err := readConfig(o, cwd, abs, service)
	if err != nil {
		return nil, err
	}
	apps, e, err := court(o, c)
	if err != nil {
		return apps, err
	}
	if e {
		return apps, nil
	}
	a := appOf(c, file)
	for _, f := range a.Facts {
		if dir, ok := strings.CutPrefix(filepath.Dir(f.Value), "unix:/run/uwsgi/app/"); ok && f.Set == facts.SetListen && service.name != "" {
			a.Note(f.At, "", "Debian's service for uWSGI made the folder of the socket and takes it away: have it made by a line of a file in /etc/tmpfiles.d: d /run/uwsgi/app/"+dir+" 0755 root root")
			break
		}
	}
	return []*facts.App{a}, nil
}

func readStdin(o facts.Options) ([]*facts.App, error) {
	if o.Stdin == nil {
		return nil, errors.New("there is no standard input")
	}
	text, err := io.ReadAll(io.LimitReader(o.Stdin, facts.MaxFile+1))
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c := &config{o: o, cwd: cwd}
	c.magic.start(cwd)
	name := "stdin.ini"
	switch trimmed := strings.TrimSpace(string(text)); {
	case len(text) > facts.MaxFile:
		return nil, fmt.Errorf("it is larger than %d MiB: no configuration is", facts.MaxFile>>20)
	case strings.HasPrefix(trimmed, "{"):
		name = "stdin.json"
	case strings.HasPrefix(trimmed, "<"):
		name = "stdin.xml"
	case !strings.Contains(trimmed, "["):
		name = "stdin.yaml"
	}
	if err := c.read(name, "", "-", text, facts.Position{}); err != nil {
		return nil, err
	}
	if err := c.resolve(); err != nil {
		return nil, err
	}
	return []*facts.App{appOf(c, name)}, nil
}

// readConfig reads the configuration of an instance.
func readConfig(o facts.Options, cwd, name string, e emperor) (*config, error) {
	c := &config{o: o, cwd: cwd, place: e.place}
	c.magic.start(cwd)
	from := facts.Position{File: facts.Either(e.name, "the Emperor")}
	give := func(files []string) error {
		for _, file := range files {
			key := "inherit"
			if e.include[file] {
				key = "include"
			}
			if err := c.add(key, file, from); err != nil {
				return err
			}
		}
		return nil
	}
	if err := give(e.before); err != nil {
		return nil, err
	}
	for _, set := range e.set {
		if err := c.add("set", set, from); err != nil {
			return nil, err
		}
	}
	file := c.abs(name)
	c.append(&option{key: "ini", value: name, done: true, at: facts.Position{File: file}})
	var err error
	if _, statErr := os.Stat(file); statErr == nil && strings.Contains(file, ":") {
		var text []byte
		if text, err = facts.ReadFile(file); err == nil {
			err = c.read(file, "", name, text, facts.Position{})
		}
	} else {
		err = c.include(name, facts.Position{File: file})
	}
	if err != nil {
		return nil, err
	}
	if err := give(e.after); err != nil {
		return nil, err
	}
	return c, c.resolve()
}

// court reads the vassals of a configuration that is an Emperor's.
func court(o facts.Options, c *config) ([]*facts.App, bool, error) {
	e := emperor{include: map[string]bool{}}
	var folders []string
	for _, opt := range c.options {
		switch opt.key {
		case "emperor":
			folders = append(folders, fieldsBy(opt.value, " ")...)
		case "vassals-inherit-before", "vassals-include-before":
			e.before = append(e.before, c.abs(opt.value))
		case "vassals-inherit", "vassals-include":
			e.after = append(e.after, c.abs(opt.value))
		case "vassals-set", "vassal-set":
			e.set = append(e.set, opt.value)
		case "emperor-tyrant":
			e.tyrant = facts.IsTrue(opt.value)
		}
		if strings.HasPrefix(opt.key, "vassals-include") {
			e.include[c.abs(opt.value)] = true
		}
	}
	if len(folders) == 0 {
		return nil, false, nil
	}
	var apps []*facts.App
	var errs []error
	for _, folder := range folders {
		folder = strings.TrimPrefix(strings.TrimPrefix(folder, "dir://"), "glob://")
		if strings.Contains(folder, "://") {
			errs = append(errs, fmt.Errorf("emperor = %s: only folders and patterns are read", folder))
			continue
		}
		folder = c.abs(folder)
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			more, err := vassals(o, folder, e)
			apps, errs = append(apps, more...), append(errs, err)
			continue
		}
		found, err := filepath.Glob(folder)
		if err != nil || len(found) == 0 {
			errs = append(errs, fmt.Errorf("emperor = %s: there is no such folder", folder))
		}
		for _, name := range found {
			if IsVassal(name) {
				a, err := vassal(o, c.cwd, name, e) // absolute: the pattern is
				errs = append(errs, err)
				if a != nil {
					apps = append(apps, a)
				}
			}
		}
	}
	return apps, true, errors.Join(errs...)
}

// vassals reads the folder of an Emperor, who changes into it: that is the working
// directory of his vassals.
func vassals(o facts.Options, folder string, e emperor) ([]*facts.App, error) {
	names, err := facts.FolderNames(folder)
	if err != nil {
		return nil, err
	}
	e.place = "no chdir, so the Emperor's folder"
	var apps []*facts.App
	var errs []error
	for _, name := range names {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); !IsVassal(name) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		a, err := vassal(o, folder, name, e)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", path, err))
		}
		if a != nil {
			apps = append(apps, a)
		}
	}
	if len(apps) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("no file of it is a configuration of uWSGI"))
	}
	return apps, errors.Join(errs...)
}

func vassal(o facts.Options, cwd, name string, e emperor) (*facts.App, error) {
	c, err := readConfig(o, cwd, name, e)
	if err != nil {
		return nil, err
	}
	path := c.abs(name)
	a := appOf(c, path)
	if e.tyrant {
		a.Note(facts.Position{File: path}, "emperor-tyrant", "the vassal ran as the owner of its file: "+facts.OwnerOf(path)+" if user does not say else")
		if !facts.HasFact(a, "user") {
			a.Add(facts.Fact{Set: "user", Value: facts.OwnerOf(path), Was: "emperor-tyrant", At: facts.Position{File: path}})
		}
	}
	return a, nil
}
