package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// instanceName is what stands for the name of an instance, or holds it.
var instanceName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`%[iIfnN]`) })

// templateOf is the template of an instance's name: app@.service of app@shop.service; empty:
// the name is of no instance.
func templateOf(name string) string {
	base, instance, ok := strings.Cut(strings.TrimSuffix(name, filepath.Ext(name)), "@")
	if !ok || instance == "" {
		return ""
	}
	return base + "@" + filepath.Ext(name)
}

// IsInstance tells of a path that no file need be at: an instance whose template lies there.
func IsInstance(path string) bool {
	template := templateOf(filepath.Base(path))
	if template == "" || filepath.Ext(path) != ".service" {
		return false
	}
	_, err := facts.ReadFile(filepath.Join(filepath.Dir(path), template))
	return err == nil
}

// unitText is the text of a unit, and the file that it is in: of an instance without a file
// of its own that of the template.
func unitText(path string) (file, text string, err error) {
	read, err := facts.ReadFile(path)
	if template := templateOf(filepath.Base(path)); template != "" && errors.Is(err, os.ErrNotExist) {
		path = filepath.Join(filepath.Dir(path), template)
		read, err = facts.ReadFile(path)
	}
	return path, string(read), err
}

// placed is where a unit lies that is named by a link, as those by which units are enabled
// are: what belongs to it lies there.
func placed(path string) string {
	target, err := os.Readlink(path)
	if err != nil {
		return path
	}
	target = facts.Rel(filepath.Dir(path), target)
	if template := templateOf(filepath.Base(path)); template != "" && template == filepath.Base(target) {
		return filepath.Join(filepath.Dir(target), filepath.Base(path))
	}
	return target
}

// instances are the names of a template's instances: those that are enabled, and those that
// have drop-ins.
func instances(path string) ([]string, error) {
	start := strings.TrimSuffix(filepath.Base(path), ".service")
	roots := []string{filepath.Dir(path)}
	if slices.Contains(unitFolders, roots[0]) {
		roots = unitFolders
	}
	var found []string
	take := func(names []string) {
		for _, name := range names {
			name = strings.TrimSuffix(name, ".d")
			if strings.HasPrefix(name, start) && templateOf(name) == filepath.Base(path) && !slices.Contains(found, name) {
				found = append(found, name)
			}
		}
	}
	for _, root := range roots {
		names, err := facts.FolderNames(root)
		if err != nil {
			continue // there is none
		}
		take(names)
		for _, name := range names {
			if strings.HasSuffix(name, ".wants") || strings.HasSuffix(name, ".requires") {
				if enabled, err := facts.FolderNames(filepath.Join(root, name)); err == nil {
					take(enabled)
				}
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("it is a template, and none of its instances is enabled here: name one, as %s (systemctl list-units '%s*' lists them)", filepath.Join(filepath.Dir(path), start+"NAME.service"), start)
	}
	slices.Sort(found)
	return found, nil
}

// sameOfAll tells of a template whose instances all run the same.
func sameOfAll(path string) bool {
	u, err := readUnit(path)
	if err != nil {
		return false
	}
	for key, list := range u.values {
		for _, v := range list {
			if strings.HasPrefix(key, "Service.") && instanceName().MatchString(strings.ReplaceAll(v.text, "%%", "")) {
				return false
			}
		}
	}
	return true
}
