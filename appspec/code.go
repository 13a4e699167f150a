package appspec

import (
	"path"
	"slices"
)

// CodeDir is the folder with the code, relative to the app folder; empty where
// nobody has said it: then it is app/, or the app folder itself where that is a
// checkout.
func (s *Spec) CodeDir() string {
	if dir := s.Release.CodeDir(); dir != "" {
		return path.Join(dir, s.Code)
	}
	if s.Code == "" {
		return ""
	}
	return path.Clean(s.Code)
}

// IsCheckout tells by the names in a folder whether it is the checkout of a project,
// and not an app folder whose code is elsewhere in it.
func IsCheckout(names []string) bool {
	return !slices.Contains(names, "app") && slices.ContainsFunc(names, func(name string) bool {
		return path.Ext(name) == ".py" || projectFiles[name]
	})
}

// projectFiles are those by which a project of Python is known.
var projectFiles = map[string]bool{
	"pyproject.toml": true, "setup.cfg": true, "requirements.txt": true, "Pipfile": true, "Procfile": true,
	"uv.lock": true, "poetry.lock": true, "tox.ini": true,
}
