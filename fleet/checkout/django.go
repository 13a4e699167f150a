package checkout

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

var (
	settingsModule  = lazily(`DJANGO_SETTINGS_MODULE["']\s*,\s*["']([A-Za-z_][\w.]*)["']`)
	wsgiApplication = lazily(`(?m)^WSGI_APPLICATION\s*=\s*["']([A-Za-z_][\w.]*)\.(\w+)["']`)
	staticRoot      = lazily(`(?m)^STATIC_ROOT\s*=\s*(?:(?:os\.path\.join\(\s*BASE_DIR\s*,\s*|BASE_DIR\s*/\s*)["']([\w./-]+)["']|["'](/[\w./-]+)["'])`)
	staticURL       = lazily(`(?m)^STATIC_URL\s*=\s*["']([^"']+)["']`)
	mediaRoot       = lazily(`(?m)^MEDIA_ROOT\s*=\s*(?:(?:os\.path\.join\(\s*BASE_DIR\s*,\s*|BASE_DIR\s*/\s*)["']([\w./-]+)["']|["'](/[\w./-]+)["'])`)
	mediaURL        = lazily(`(?m)^MEDIA_URL\s*=\s*["']([^"']+)["']`)
)

// ofDjango are the projects of Django: a manage.py that names settings.
func (l *looker) ofDjango() (all []Candidate) {
	for _, root := range l.roots {
		manage := path.Join(root, "manage.py")
		if m := settingsModule().FindStringSubmatch(l.text(manage)); m != nil {
			all = append(all, l.djangoProject(root, manage, m[1]))
		}
	}
	if len(all) > 1 {
		for i := range all {
			if all[i].App == "" {
				all[i].App = "the project in " + all[i].Code
			}
		}
	}
	return all
}

// djangoProject is one with its application, by the settings that either names.
func (l *looker) djangoProject(root, manage, settings string) Candidate {
	c := Candidate{Code: root, Why: fmt.Sprintf("a Django project without a wsgi.py: %s names the settings %s", manage, settings)}
	for _, module := range l.wsgiModules(root, settings) {
		file := l.module(root, module)
		if file == "" {
			continue
		}
		text := l.text(file)
		found := definitions(text)
		at := slices.IndexFunc(found, func(d definition) bool { return d.name == "application" })
		if at < 0 {
			continue
		}
		c.App = module + ":application"
		c.Why = fmt.Sprintf("a Django project: %s names the settings %s, and line %d of %s the application", manage, settings, found[at].line, file)
		if s := settingsModule().FindStringSubmatch(text); s != nil && s[1] != settings {
			c.Why += fmt.Sprintf("; by the settings %s, which %s names", s[1], file)
			settings = s[1]
		}
		break
	}
	l.found.Settings = Choice{settings, c.Why}
	return c
}

// wsgiModules are where the application of a project may be, that of its settings first.
func (l *looker) wsgiModules(root, settings string) []string {
	pkg, _, _ := strings.Cut(settings, ".")
	modules := []string{pkg + ".wsgi", "wsgi", "config.wsgi"}
	if m := wsgiApplication().FindStringSubmatch(l.settingsText(root, settings)); m != nil && m[2] == "application" {
		return append([]string{m[1]}, modules...)
	}
	return modules
}

func (l *looker) settingsText(root, settings string) string {
	if file := l.module(root, settings); file != "" {
		return l.text(file)
	}
	return ""
}

// static finds the folder into which collectstatic has put the files of a Django
// project.
func (l *looker) static(code string) {
	settings := l.found.Settings.Value
	if settings == "" {
		return
	}
	text := l.settingsText(code, settings)
	if m := settingsBase(settings); m != "" {
		text += "\n" + l.settingsText(code, m)
	}
	l.media(code, text)
	m := staticRoot().FindStringSubmatch(text)
	if m == nil {
		l.note("settings with STATIC_ROOT = BASE_DIR / \"static\", and manage.py collectstatic, make the files of the admin for a block static")
		return
	}
	dir := m[2]
	if dir == "" {
		dir = path.Join(code, m[1])
	}
	url := "/static/"
	if u := staticURL().FindStringSubmatch(text); u != nil && !strings.Contains(u[1], "://") {
		url = "/" + strings.Trim(u[1], "/") + "/"
	}
	if !path.IsAbs(dir) && !l.isDir(dir) {
		l.note("STATIC_ROOT is %s, which does not exist yet: after manage.py collectstatic write: static { url = %q, dir = %q } (each on a line of its own)", dir, url, dir)
		return
	}
	l.found.StaticURL, l.found.StaticDir = url, Choice{dir, "STATIC_ROOT of the settings; answered without Python"}
}

// media notes how what users have uploaded is served, where the settings say where it lies.
func (l *looker) media(code, settings string) {
	root, u := mediaRoot().FindStringSubmatch(settings), mediaURL().FindStringSubmatch(settings)
	if root == nil || u == nil || strings.Contains(u[1], "://") || strings.Trim(u[1], "/") == "" {
		return
	}
	dir := root[2]
	if dir == "" {
		dir = path.Join(code, root[1])
	}
	l.note("MEDIA_ROOT is %s: where anybody may read what users upload, write: static { url = %q, dir = %q } (each on a line of its own)", dir, "/"+strings.Trim(u[1], "/")+"/", dir)
}

// settingsBase is the module that settings of one machine mostly take all from.
func settingsBase(settings string) string {
	if i := strings.LastIndexByte(settings, '.'); i > 0 && settings[i+1:] != "settings" {
		return settings[:i] + ".base"
	}
	return ""
}
