package uwsgi

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// Command is a command line of uWSGI.
func Command(o facts.Options, a *facts.App, c facts.Command) error {
	conf := &config{o: o, cwd: c.Dir}
	conf.magic.start(c.Dir)
	short := map[byte]string{'s': "socket", 'p': "processes", 'w': "module", 'H': "home", 'M': "master", 't': "harakiri", 'x': "xml", 'y': "yaml", 'j': "json",
		'C': "chmod-socket", 'R': "max-requests", 'b': "buffer-size", 'l': "listen", 'L': "disable-logging", 'i': "single-interpreter", 'S': "set", 'd': "daemonize"}
	args := c.Argv[1:]
	for i := 0; i < len(args); i++ {
		key, value, has := strings.Cut(strings.TrimPrefix(args[i], "--"), "=")
		switch {
		case strings.HasPrefix(args[i], "--"):
		case strings.HasPrefix(args[i], "-") && len(args[i]) > 1:
			key, has = short[args[i][1]], len(args[i]) > 2
			value = args[i][2:]
			if key == "" {
				a.Lost(c.At, args[i], "no counterpart of it is known here")
				continue
			}
		default: // a file, an address, a module
			switch {
			case IsVassal(args[i]):
				key, value, has = "include", args[i], true
			case strings.Contains(args[i], ":"):
				key, value, has = "socket", args[i], true
			default:
				continue
			}
		}
		if !has && i+1 < len(args) && (key == "pyargv" || !strings.HasPrefix(args[i+1], "-")) && !isSwitch(key) {
			i++
			value = args[i]
		}
		if err := conf.add(key, value, c.At); err != nil {
			return err
		}
	}
	if err := conf.resolve(); err != nil {
		return err
	}
	a.Facts = append(a.Facts, appOf(conf, a.Name+".ini").Facts...)
	return nil
}

// isSwitch are options without a value.
func isSwitch(key string) bool {
	switch key {
	case "master", "vacuum", "need-app", "lazy", "lazy-apps", "die-on-term", "enable-threads", "single-interpreter", "disable-logging",
		"manage-script-name", "thunder-lock", "strict", "no-orphans", "auto-procname", "show-config", "no-site", "log-master":
		return true
	}
	return false
}
