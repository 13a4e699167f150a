package appspec

import (
	"path"
	"strings"
	"unicode"
)

// Told are words and paths that the spec tells openly, such as the name of the app, of its
// modules and its folders. A secret that is one of them cannot be hidden where they are
// shown, and to hide it would tell what it is.
func (s *Spec) Told() map[string]bool {
	told := map[string]bool{}
	add := func(attribute string, texts ...string) {
		if s.IsSensitive(attribute) {
			return
		}
		for _, text := range texts {
			told[text] = true
			for dir := text; path.IsAbs(dir) && dir != "/"; dir = path.Dir(dir) {
				told[dir] = true
			}
			for _, word := range strings.FieldsFunc(text, func(r rune) bool {
				return r != '_' && r != '-' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
			}) {
				told[word] = true
			}
			if i := strings.LastIndexByte(text, ':'); i > 0 {
				told[text[:i]] = true // the host of an address, the module of an application
			}
		}
	}
	told[s.Name] = true
	add("path", s.Path)
	add("wsgi_app", s.WSGIApp)
	add("user", s.User)
	add("group", s.Group)
	add("python", s.Python)
	add("virtualenv", s.Virtualenv)
	add("hosts", s.Hosts...)
	if s.Django != nil {
		add("django.settings", s.Django.Settings)
	}
	for i := range s.Sockets.HTTP {
		add(IndexPath("sockets.http.listen", i), s.Sockets.HTTP[i].Listen)
	}
	delete(told, "")
	return told
}
