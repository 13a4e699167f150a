package facts

import (
	"path/filepath"
	"slices"
	"strings"
)

// NameOfFile names an app after the file that makes it: after its folder, where the file's
// own name says what it is for.
func NameOfFile(path string) string {
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	if strings.HasSuffix(path, ".ini") && slices.Contains(strings.Fields("production development staging paste config conf app wsgi deploy settings"), name) {
		return AppNameOf(filepath.Dir(path))
	}
	return AppNameOf(name)
}

// PasteApp adds an application that PasteDeploy makes. It is named as servers name it: by a
// path, with config: before it or not, and the section behind #.
func (a *App) PasteApp(dir, uri, was string, at Position) {
	path, section, _ := strings.Cut(strings.TrimPrefix(uri, "config:"), "#")
	switch {
	case strings.HasPrefix(uri, "egg:"):
		a.Lost(at, was, "a file of PasteDeploy is read here, and no egg: write one, with use = "+uri+" below [app:main], and name it in wsgi_app")
	case !strings.HasSuffix(path, ".ini"):
		a.Lost(at, was, "a file of PasteDeploy is known by its name: rename it so that it ends with .ini, and name it in wsgi_app")
	default:
		a.Add(Fact{Set: SetFile, Value: Rel(dir, path), Key: section, Was: was, At: at})
	}
}
