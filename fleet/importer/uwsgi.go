package importer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

var vassalEndings = []string{".xml", ".ini", ".yml", ".yaml", ".js", ".json"}

// isVassal tells whether the Emperor starts a file of that name.
func isVassal(name string) bool {
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
}

// debianService is what Debian's service for uWSGI gives to a file of apps-enabled or
// apps-available, before the file's own options.
func debianService(file string) emperor {
	dir := filepath.Base(filepath.Dir(file))
	if dir != "apps-enabled" && dir != "apps-available" {
		return emperor{}
	}
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	return emperor{name: "Debian's default.ini",
		set: []string{"master=true", "workers=2", "socket=/run/uwsgi/app/" + name + "/socket", "chmod-socket=660", "uid=www-data", "gid=www-data"}}
}

// uwsgi reads a configuration of uWSGI, or a folder of them.
func (o Options) uwsgi(path string) ([]*App, error) {
	if path == "-" {
		return o.uwsgiStdin()
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if info, err := os.Stat(abs); err == nil && info.IsDir() {
		return o.vassals(abs, emperor{})
	}
	file, _ := cutSection(abs)
	if _, err := os.Stat(abs); err == nil {
		file = abs // a colon of its own
	}
	c, err := o.uwsgiFile(filepath.Dir(file), abs, debianService(file))
	if err != nil {
		return nil, err
	}
	apps, e, err := o.court(c)
	if err != nil {
		return apps, err
	}
	if e {
		return apps, nil
	}
	return []*App{uwsgiApp(c, file)}, nil
}

func (o Options) uwsgiStdin() ([]*App, error) {
	if o.Stdin == nil {
		return nil, errors.New("there is no standard input")
	}
	text, err := io.ReadAll(io.LimitReader(o.Stdin, maxFile+1))
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c := &uwsgiConfig{o: o, cwd: cwd}
	c.magic.start(cwd)
	name := "stdin.ini"
	switch trimmed := strings.TrimSpace(string(text)); {
	case len(text) > maxFile:
		return nil, fmt.Errorf("it is larger than %d MiB: no configuration is", maxFile>>20)
	case strings.HasPrefix(trimmed, "{"):
		name = "stdin.json"
	case strings.HasPrefix(trimmed, "<"):
		name = "stdin.xml"
	case !strings.Contains(trimmed, "["):
		name = "stdin.yaml"
	}
	if err := c.read(name, "", "-", text, Position{}); err != nil {
		return nil, err
	}
	if err := c.resolve(); err != nil {
		return nil, err
	}
	return []*App{uwsgiApp(c, name)}, nil
}

// uwsgiFile reads the configuration of an instance.
func (o Options) uwsgiFile(cwd, name string, e emperor) (*uwsgiConfig, error) {
	c := &uwsgiConfig{o: o, cwd: cwd}
	c.magic.start(cwd)
	from := Position{File: either(e.name, "the Emperor")}
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
	c.append(&option{key: "ini", value: name, done: true, at: Position{File: file}})
	var err error
	if _, statErr := os.Stat(file); statErr == nil && strings.Contains(file, ":") {
		var text []byte
		if text, err = readFile(file); err == nil {
			err = c.read(file, "", name, text, Position{})
		}
	} else {
		err = c.include(name, Position{File: file})
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
func (o Options) court(c *uwsgiConfig) ([]*App, bool, error) {
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
			e.tyrant = uwsgiTrue(opt.value)
		}
		if strings.HasPrefix(opt.key, "vassals-include") {
			e.include[c.abs(opt.value)] = true
		}
	}
	if len(folders) == 0 {
		return nil, false, nil
	}
	var apps []*App
	var errs []error
	for _, folder := range folders {
		folder = strings.TrimPrefix(strings.TrimPrefix(folder, "dir://"), "glob://")
		if strings.Contains(folder, "://") {
			errs = append(errs, fmt.Errorf("emperor = %s: only folders and patterns are read", folder))
			continue
		}
		folder = c.abs(folder)
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			more, err := o.vassals(folder, e)
			apps, errs = append(apps, more...), append(errs, err)
			continue
		}
		found, err := filepath.Glob(folder)
		if err != nil || len(found) == 0 {
			errs = append(errs, fmt.Errorf("emperor = %s: there is no such folder", folder))
		}
		for _, name := range found {
			if isVassal(name) {
				a, err := o.vassal(c.cwd, name, e) // absolute: the pattern is
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
func (o Options) vassals(folder string, e emperor) ([]*App, error) {
	names, err := folderNames(folder)
	if err != nil {
		return nil, err
	}
	var apps []*App
	var errs []error
	for _, name := range names {
		path := filepath.Join(folder, name)
		if info, err := os.Stat(path); !isVassal(name) || err != nil || !info.Mode().IsRegular() {
			continue
		}
		a, err := o.vassal(folder, name, e)
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

func (o Options) vassal(cwd, name string, e emperor) (*App, error) {
	c, err := o.uwsgiFile(cwd, name, e)
	if err != nil {
		return nil, err
	}
	path := c.abs(name)
	a := uwsgiApp(c, path)
	if e.tyrant {
		a.note(Position{File: path}, "emperor-tyrant", "the vassal ran as the owner of its file: "+ownerOf(path)+" if user does not say else")
		if !hasFact(a, "user") {
			a.add(Fact{Set: "user", Value: ownerOf(path), Was: "emperor-tyrant", At: Position{File: path}})
		}
	}
	return a, nil
}

func hasFact(a *App, set string) bool {
	for _, f := range a.Facts {
		if f.Set == set {
			return true
		}
	}
	return false
}
