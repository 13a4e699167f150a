package gunicorn

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// Section reads what a section of PasteDeploy's tells gunicorn, by the names of its
// settings.
func Section(_ facts.Options, a *facts.App, c facts.Command, given map[string]facts.Setting) error {
	settings := ofFile(a, c, given["config"].Value())
	for name, s := range given {
		settings[strings.ToLower(name)] = s
	}
	host, port := settings["host"], settings["port"]
	if host.Value() != "" {
		address := host.Value()
		if port.Value() != "" {
			address += ":" + port.Value()
		}
		settings["bind"] = facts.Setting{List: []string{address}, Was: host.Was, At: host.At}
	}
	delete(settings, "host")
	delete(settings, "port")
	addFacts(a, c, settings, nil)
	return nil
}
