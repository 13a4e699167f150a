package systemd

import (
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// directories are the settings by which systemd makes folders of a service, with where they
// lie and the variable that tells the service (systemd.exec(5)).
var directories = map[string]struct{ below, variable string }{
	"RuntimeDirectory": {"/run/", "RUNTIME_DIRECTORY"}, "StateDirectory": {"/var/lib/", "STATE_DIRECTORY"}, "CacheDirectory": {"/var/cache/", "CACHE_DIRECTORY"},
	"LogsDirectory": {"/var/log/", "LOGS_DIRECTORY"}, "ConfigurationDirectory": {"/etc/", "CONFIGURATION_DIRECTORY"},
}

// folders are those that a setting names: behind a colon is a link to one.
func (u *unitFile) folders(below, text string) (paths []string) {
	for name := range strings.FieldsSeq(text) {
		name, _, _ = strings.Cut(u.specifiers(name), ":")
		paths = append(paths, below+name)
	}
	return paths
}

// told carries over the variables by which a service is told of its folders. take tells
// whether one counts.
func (u *unitFile) told(a *facts.App, take func(name, value string) bool) {
	for _, setting := range facts.SortedKeys(directories) {
		var paths []string
		d, list := directories[setting], u.values["Service."+setting]
		for _, v := range list {
			paths = append(paths, u.folders(d.below, v.text)...)
		}
		if value := strings.Join(paths, ":"); value != "" && take(d.variable, value) {
			a.Add(facts.Fact{Set: facts.SetEnv, Key: d.variable, Value: value, Was: setting + "=" + list[len(list)-1].text, At: list[len(list)-1].at})
		}
	}
}

// toBeMade says who makes these folders now.
func (u *unitFile) toBeMade(a *facts.App, setting string) {
	owner, mode := "root root", "0755"
	if user, ok := u.last("Service.User"); ok && setting != "ConfigurationDirectory" {
		group, _ := u.last("Service.Group")
		owner = user.text + " " + facts.Either(group.text, user.text)
	}
	if v, ok := u.last("Service." + setting + "Mode"); ok {
		mode = v.text
	}
	for _, v := range u.values["Service."+setting] {
		var lines []string
		for _, path := range u.folders(directories[setting].below, v.text) {
			lines = append(lines, "d "+path+" "+mode+" "+owner)
		}
		a.Lost(v.at, setting+"="+v.text, "make the folder by a file in /etc/tmpfiles.d: "+strings.Join(lines, ", and "))
	}
}
