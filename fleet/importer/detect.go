package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/apache"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/kamal"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/paste"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/piku"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/systemd"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/unit"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/uwsgi"
)

// detect finds the format of a path by what is there.
func detect(path string) (string, error) {
	if path == "-" {
		return "uwsgi", nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if file, _ := uwsgi.CutSection(path); file != path {
			if _, err := os.Stat(file); err == nil {
				return "uwsgi", nil
			}
		}
		if systemd.IsInstance(path) {
			return "systemd", nil
		}
		return "", errors.New("there is no such file or folder")
	}
	if err != nil {
		return "", facts.WithoutPath(err)
	}
	if info.IsDir() {
		return detectFolder(path)
	}
	text, err := facts.ReadFile(path)
	if err != nil {
		return "", err
	}
	if filepath.Base(path) == "Procfile" && piku.IsApp(filepath.Dir(path)) {
		return "piku", nil
	}
	if kamal.IsFile(path) {
		return "kamal", nil
	}
	if strings.HasSuffix(path, ".timer") {
		return "", errors.New("a timer is a schedule of the app whose user and folder its service has: import the .service of the app that lies beside it")
	}
	if format := detectText(filepath.Base(path), text); format != "" {
		return format, nil
	}
	for _, other := range others {
		if other.mark().Match(text) {
			return "", errors.New(other.instead)
		}
	}
	return "", fmt.Errorf("cannot tell what configuration it is; name the format: --from %s", strings.Join(Formats[1:], "|"))
}

// others are files that lie beside what is imported, with what is to be done about them.
var others = []struct {
	mark    func() *regexp.Regexp
	instead string
}{
	{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^#!.*sh\b`) }),
		"it is a script of a shell: where it starts the server, import it as the command that it is: wsgid-fleet import --from command PATH"},
	{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s*(proxy_pass|uwsgi_pass|fastcgi_pass)\s`) }),
		"it is a configuration of nginx, which stays in front of the apps: they keep their addresses, and their specs say what it is to be told otherwise"},
	{sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^\s*(@\w+|[\d*,/-]+(\s+[\w*,/-]+){4})\s+\S`) }),
		"it is a crontab: write a schedule into the spec of the app for each line that starts a command of it, and take the line out, or it runs twice"},
}

func detectFolder(path string) (string, error) {
	names, err := facts.FolderNames(path)
	if err != nil {
		return "", err
	}
	procfile := slices.Contains(names, "Procfile")
	if _, isRoot := piku.IsRoot(path); isRoot || procfile && piku.IsApp(path) {
		return "piku", nil
	}
	if !procfile && !slices.Contains(names, "wsgid.json") && kamal.IsProject(path) {
		return "kamal", nil
	}
	if slices.Contains(names, "wsgid.json") || slices.Contains(names, "app") && !procfile { // which many a project has as its package
		return "wsgid", nil
	}
	if procfile {
		return "procfile", nil
	}
	if slices.ContainsFunc(names, uwsgi.IsVassal) {
		return "uwsgi", nil
	}
	if slices.ContainsFunc(names, func(name string) bool { return strings.HasSuffix(name, ".conf") }) {
		if _, err := apache.Files(path); err == nil {
			return "apache", nil
		}
	}
	return "", errors.New("it is not an app folder of wsgid, which holds app/ or wsgid.json, no ~/.piku, no project with config/deploy.yml of kamal, and no folder of uWSGI's configurations (*.ini, *.yml, *.yaml, *.json, *.js, *.xml); name a file")
}

var (
	supervisorSection = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\[(program:[^\]]+|supervisord|fcgi-program:[^\]]+)\]`)
	})
	uwsgiSection = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`(?m)^\s*(\[uwsgi\]|<uwsgi[\s>]|uwsgi:\s*$|"?uwsgi"?\s*:)|"uwsgi"\s*:|<uwsgi[\s>/]`)
	})
)

// detectText finds the format of a file; empty: it cannot be told.
func detectText(name string, text []byte) string {
	switch {
	case strings.HasSuffix(name, ".service"):
		return "systemd"
	case strings.HasSuffix(name, ".py"):
		return "gunicorn"
	case name == "Procfile" || strings.HasPrefix(name, "Procfile."):
		return "procfile"
	case unit.Detect(text):
		return "unit"
	case apache.Mark().Match(text):
		return "apache"
	case command.InitMark().Match(text):
		return "init"
	case supervisorSection().Match(text):
		return "supervisord"
	case uwsgiSection().Match(text):
		return "uwsgi"
	case paste.Detect(text):
		return "paste"
	}
	return ""
}
