package command

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// initScript are the assignments at the top of an init script. The services of
// OpenStack on Debian say there which configuration of uWSGI they start, and where it
// listens; their units call the script. more is the first line with which a script of
// its own does something else; 0: none does.
func initScript(path string) (values map[string]string, lines map[string]int, more int, err error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, nil, 0, err
	}
	values, lines = map[string]string{}, map[string]int{}
	own, _, shared := strings.Cut(string(text), "# The content after this line comes from openstack-pkg-tools")
	number := 0
	for line := range strings.SplitSeq(own, "\n") {
		number++
		if !shared && strings.HasPrefix(line, "if ") { // what all of them share begins
			break
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok || !facts.Assignment().MatchString(line) {
			if trimmed := strings.TrimSpace(line); trimmed != "" && trimmed[0] != '#' && more == 0 {
				more = number
			}
			continue
		}
		if more > 0 { // it may depend on what only a shell knows
			continue
		}
		words := shellwords.Shell(facts.Variable().ReplaceAllStringFunc(value, func(m string) string {
			parts := facts.Variable().FindStringSubmatch(m)
			return values[parts[1]+parts[3]]
		}))
		if len(words) > 0 {
			values[name], lines[name] = words[0], number
		}
	}
	return values, lines, more, nil
}

// InitMark is what an init script of Debian's for uWSGI holds.
var InitMark = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^UWSGI_INI_PATH=`) })

// isInitStart tells a unit's command that hands over to an init script.
func isInitStart(argv []string) bool {
	return len(argv) == 2 && filepath.Base(filepath.Dir(argv[0])) == "init.d" && argv[1] == "systemd-start"
}

// initCommand is the command of uWSGI that such a script runs.
func initCommand(a *facts.App, script string, c facts.Command) ([]string, error) {
	values, lines, more, err := initScript(script)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot read %s: %w", c.At, script, err)
	}
	ini, port := values["UWSGI_INI_PATH"], values["UWSGI_PORT"]
	if ini == "" || port == "" {
		return nil, fmt.Errorf("%s: %s starts no uWSGI: it sets no UWSGI_INI_PATH and UWSGI_PORT", c.At, script)
	}
	if from := values["UWSGI_BIND_CONFIG_FILE"]; from != "" {
		a.Lost(facts.Position{File: script, Line: lines["UWSGI_BIND_CONFIG_FILE"]}, "UWSGI_BIND_CONFIG_FILE="+from, "the script may take address, port and number of processes from it at start: write them into sockets and workers")
	}
	if more > 0 {
		a.Lost(facts.Position{File: script, Line: more}, "", "the script does more from here on than to set variables before it starts uWSGI, and what it does is not done: arguments of the app, TMPDIR and other variables may be of it")
	}
	address := values["UWSGI_BIND_IP"] + ":" + port
	// Where both are there it speaks TLS.
	folder := filepath.Join(filepath.Dir(filepath.Dir(script)), values["PROJECT_NAME"], "ssl")
	key, cert := firstOf(filepath.Join(folder, "private"), ".pem"), firstOf(filepath.Join(folder, "public"), ".crt")
	argv := []string{"uwsgi", "--http-socket", address, "--ini", ini}
	if key != "" && cert != "" {
		argv = []string{"uwsgi", "--https-socket", address + "," + cert + "," + key, "--ini", ini}
	}
	if args := values["PYARGV"]; args != "" {
		argv = append(argv, "--pyargv", args)
	}
	return argv, nil
}

// firstOf is a file of a folder whose name ends so; empty: there is none.
func firstOf(dir, end string) string {
	names, err := facts.FolderNames(dir)
	if err != nil {
		return ""
	}
	for _, name := range names {
		if strings.HasSuffix(strings.ToLower(name), end) {
			return filepath.Join(dir, name)
		}
	}
	return ""
}

// ReadInit reads an init script of that kind.
func ReadInit(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	a := &facts.App{Name: facts.AppNameOf(filepath.Base(abs)), Source: abs + " (init script)"}
	c := facts.Command{Dir: "/", Was: "UWSGI_INI_PATH", At: facts.Position{File: abs}}
	if c.Argv, err = initCommand(a, abs, c); err != nil {
		return nil, err
	}
	if _, err := web(o, a, c); err != nil {
		return nil, err
	}
	return []*facts.App{a}, nil
}
