package gunicorn

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// parseArgs reads arguments; rest are those that are no options.
func parseArgs(args []string, at facts.Position, prefix string) (map[string]facts.Setting, []string, error) {
	settings := map[string]facts.Setting{}
	var rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		name, value, has := cutOption(arg)
		key := settingOf(name)
		switch {
		case key == "":
			return nil, nil, fmt.Errorf("%s: gunicorn has no option %s, and does not start with it", at, name)
		case key[0] == '!':
			was := prefix + arg
			if key == proxyProtocol && !has && i+1 < len(args) && slices.Contains(proxyVersions, args[i+1]) {
				i++
				value = args[i]
				was += " " + value
			}
			if key != proxyProtocol || value != "off" {
				settings[key[1:]] = facts.Setting{List: []string{"true"}, Was: was, At: at}
			}
			continue
		case !has:
			if i++; i >= len(args) {
				return nil, nil, fmt.Errorf("%s: gunicorn's option %s wants a value", at, name)
			}
			value = args[i]
		}
		s := settings[key]
		s.List, s.Was, s.At = append(s.List, value), prefix+name+" "+value, at
		if key == "raw_env" {
			s.Was = prefix + name
		}
		settings[key] = s
	}
	return settings, rest, nil
}

// cutOption takes an option and its value apart; has is false where none is written to it.
func cutOption(arg string) (name, value string, has bool) {
	if !strings.HasPrefix(arg, "--") && len(arg) > 2 {
		return arg[:2], strings.TrimPrefix(arg[2:], "="), true
	}
	return strings.Cut(arg, "=")
}

// settingOf is the setting of an option; empty: there is none. Of a long one argparse takes
// also what begins one name alone.
func settingOf(option string) string {
	if key := flags[option]; key != "" || !strings.HasPrefix(option, "--") {
		return key
	}
	var found []string
	for flag := range flags {
		if strings.HasPrefix(flag, option) {
			found = append(found, flag)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return flags[found[0]]
}
