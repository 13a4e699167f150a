package systemd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/command"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// unitFile is a unit of systemd with its drop-ins: values of a key in order, an empty
// one takes those before it away.
type unitFile struct {
	path   string
	values map[string][]unitValue // by Section.Key
}

type unitValue struct {
	text string
	at   facts.Position
}

// readUnit reads a unit and its drop-ins.
func readUnit(path string) (*unitFile, error) {
	u := &unitFile{path: path, values: map[string][]unitValue{}}
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, err
	}
	u.parse(path, string(text))
	name := filepath.Base(path)
	folders := []string{filepath.Join(filepath.Dir(path), name+".d")}
	if template, _, ok := strings.Cut(name, "@"); ok {
		folders = append([]string{filepath.Join(filepath.Dir(path), template+"@"+filepath.Ext(name)+".d")}, folders...)
	}
	if strings.HasPrefix(path, "/lib/systemd/system/") || strings.HasPrefix(path, "/usr/lib/systemd/system/") {
		folders = append(folders, "/etc/systemd/system/"+name+".d")
	}
	drop := map[string]string{}
	for _, folder := range folders {
		names, err := facts.FolderNames(folder)
		if err != nil {
			continue // there is none
		}
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				drop[n] = filepath.Join(folder, n)
			}
		}
	}
	for _, n := range facts.SortedKeys(drop) {
		text, err := facts.ReadFile(drop[n])
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", drop[n], err)
		}
		u.parse(drop[n], string(text))
	}
	return u, nil
}

// parse reads a file: a line that ends in a backslash goes on in the next one, in
// which comments are passed over.
func (u *unitFile) parse(path, text string) {
	section, pending, began := "", "", 0
	number := 0
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		number++
		trimmed := strings.TrimLeft(line, " \t")
		if trimmed != "" && (trimmed[0] == '#' || trimmed[0] == ';') {
			continue
		}
		if pending == "" {
			began = number
		}
		if begun, more := strings.CutSuffix(line, `\`); more {
			pending += begun + " "
			continue
		}
		full := strings.TrimSpace(pending + line)
		pending = ""
		switch {
		case full == "":
		case full[0] == '[' && full[len(full)-1] == ']':
			section = full[1 : len(full)-1]
		default:
			key, value, ok := strings.Cut(full, "=")
			if !ok {
				continue
			}
			key = section + "." + strings.TrimSpace(key)
			if value = strings.TrimSpace(value); value == "" {
				delete(u.values, key)
				continue
			}
			u.values[key] = append(u.values[key], unitValue{value, facts.Position{File: path, Line: began}})
		}
	}
}

func (u *unitFile) last(key string) (unitValue, bool) {
	list := u.values[key]
	if len(list) == 0 {
		return unitValue{}, false
	}
	v := list[len(list)-1]
	v.text = u.specifiers(v.text)
	return v, true
}

// specifiers fills %n and its like.
func (u *unitFile) specifiers(text string) string {
	if !strings.Contains(text, "%") {
		return text
	}
	name := filepath.Base(u.path)
	prefix := strings.TrimSuffix(name, filepath.Ext(name))
	base, instance, _ := strings.Cut(prefix, "@")
	host, _ := os.Hostname()
	values := map[byte]string{'%': "%", 'n': name, 'N': prefix, 'p': base, 'P': base, 'i': instance, 'I': strings.ReplaceAll(instance, "-", "/"), 'H': host,
		't': "/run", 'S': "/var/lib", 'C': "/var/cache", 'L': "/var/log", 'E': "/etc", 'T': "/tmp", 'V': "/var/tmp", 'u': "root", 'U': "0", 'h': "/root", 's': "/bin/sh"}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+1 < len(text) {
			if v, ok := values[text[i+1]]; ok {
				b.WriteString(v)
				i++
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// Read reads a .service unit that starts a WSGI server, with the .socket beside it.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u, err := readUnit(abs)
	if err != nil {
		return nil, err
	}
	a := &facts.App{Name: facts.AppNameOf(strings.TrimSuffix(filepath.Base(abs), ".service")), Source: abs + " (systemd)"}
	start, ok := u.last("Service.ExecStart")
	if !ok {
		return nil, errors.New("it has no ExecStart")
	}
	env, err := u.environment(a)
	if err != nil {
		return nil, err
	}
	c := facts.Command{Was: "ExecStart = " + facts.CommandText(start.text), At: start.at, Env: env, Dir: "/"}
	c.Argv = unitWords(strings.TrimLeft(start.text, "@-:+!"), env)
	if v, ok := u.last("Service.WorkingDirectory"); ok {
		dir := strings.TrimPrefix(v.text, "-")
		if dir == "~" {
			a.Lost(v.at, "WorkingDirectory=~", "name the folder: path")
		} else {
			c.Dir = dir
			a.Add(facts.Fact{Set: facts.SetDirectory, Value: dir, Was: "WorkingDirectory=" + v.text, At: v.at})
		}
	}
	server, err := command.Service(o, a, c)
	if err != nil {
		return nil, err
	}
	if server == "" {
		return nil, fmt.Errorf("%s: its command starts no WSGI server that is known here (%s): %s", start.at, command.KnownServers, facts.CommandText(start.text))
	}
	u.facts(a)
	u.timers(a, env)
	return []*facts.App{a}, socket(o, a, abs)
}

// environment reads Environment= and EnvironmentFile=, which wins.
func (u *unitFile) environment(a *facts.App) (map[string]string, error) {
	env := map[string]string{}
	for _, v := range u.values["Service.Environment"] {
		for _, kv := range unitWords(u.specifiers(v.text), nil) {
			if key, value, ok := strings.Cut(kv, "="); ok {
				env[key] = value
				a.Add(facts.Fact{Set: facts.SetEnv, Key: key, Value: value, Was: "Environment=" + key, At: v.at})
			}
		}
	}
	for _, v := range u.values["Service.EnvironmentFile"] {
		path := u.specifiers(v.text)
		optional := strings.HasPrefix(path, "-")
		path = strings.TrimPrefix(path, "-")
		found := []string{path}
		if strings.ContainsAny(path, "*?[") {
			found, _ = filepath.Glob(path)
		}
		for _, file := range found {
			text, err := facts.ReadFile(file)
			if err != nil {
				if !optional {
					a.Lost(v.at, "EnvironmentFile="+path, "it cannot be read: "+err.Error())
				}
				continue
			}
			for _, v := range hclspec.ReadEnvFile(string(text)) {
				env[v.Name] = v.Value
				a.Add(facts.Fact{Set: facts.SetSecretEnv, Key: v.Name, Value: v.Value, Was: v.Name, At: facts.Position{File: file}})
			}
		}
	}
	return env, nil
}

// unitWords cuts a command as systemd does: quotes count at the start of a word only,
// $NAME alone is cut into words, ${NAME} is not; without variables where env is nil.
func unitWords(text string, env map[string]string) []string {
	var words []string
	for i := 0; i < len(text); {
		if text[i] == ' ' || text[i] == '\t' {
			i++
			continue
		}
		var b strings.Builder
		quote := byte(0)
		if text[i] == '"' || text[i] == '\'' {
			quote = text[i]
			i++
		}
		plain := quote == 0
		for i < len(text) {
			c := text[i]
			if quote != 0 && c == quote {
				quote = 0
				i++
				continue
			}
			if quote == 0 && (c == ' ' || c == '\t') {
				break
			}
			if c == '\\' && i+1 < len(text) {
				i++
				c = text[i]
			}
			b.WriteByte(c)
			i++
		}
		word := b.String()
		if env == nil {
			words = append(words, word)
			continue
		}
		if name, ok := strings.CutPrefix(word, "$"); ok && plain && name != "" && name[0] != '{' && name[0] != '$' && len(words) > 0 {
			words = append(words, strings.Fields(env[name])...)
			continue
		}
		word = braced(word, env)
		words = append(words, word)
	}
	return words
}

// braced fills ${NAME} in a word; $$ is a dollar sign.
func braced(word string, env map[string]string) string {
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], "$$"):
			b.WriteByte('$')
			i++
		case strings.HasPrefix(word[i:], "${"):
			end := strings.IndexByte(word[i:], '}')
			if end < 0 {
				b.WriteString(word[i:])
				return b.String()
			}
			b.WriteString(env[word[i+2:i+end]])
			i += end
		default:
			b.WriteByte(word[i])
		}
	}
	return b.String()
}

// facts are what the unit says besides its command.
func (u *unitFile) facts(a *facts.App) {
	for _, key := range facts.SortedKeys(u.values) {
		name, ok := strings.CutPrefix(key, "Service.")
		if !ok {
			continue
		}
		v, _ := u.last(key)
		set := func(attribute, value string) {
			a.Add(facts.Fact{Set: attribute, Value: value, Was: name + "=" + v.text, At: v.at})
		}
		switch name {
		case "User":
			set("user", facts.UserName(v.text))
		case "Group":
			set("group", facts.GroupName(v.text))
		case "UMask":
			set("umask", v.text)
		case "LimitNOFILE":
			soft, _, _ := strings.Cut(v.text, ":")
			set("limits.open_files", soft)
		case "LimitNPROC":
			set("limits.processes", v.text)
		case "MemoryMax", "MemoryLimit":
			set("limits.memory", strings.NewReplacer("K", "KiB", "M", "MiB", "G", "GiB").Replace(v.text))
		case "TasksMax":
			set("limits.tasks", v.text)
		case "CPUQuota":
			if n, err := strconv.ParseFloat(strings.TrimSuffix(v.text, "%"), 64); err == nil {
				set("limits.cpu", strconv.FormatFloat(n/100, 'f', -1, 64))
			}
		case "NoNewPrivileges":
			set("no_new_privileges", strconv.FormatBool(facts.IsTrue(v.text)))
		case "TimeoutStopSec":
			if n := facts.LeadingInt(v.text); n > 0 && strconv.Itoa(n) == strings.TrimSuffix(v.text, "s") {
				set("workers.stop_timeout", strconv.Itoa(n)+"s")
			}
		case "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost":
			for _, one := range u.values[key] {
				if name == "ExecStop" && strings.Contains(one.text, "MAINPID") {
					continue
				}
				a.Lost(one.at, name+"="+facts.CommandText(one.text), "nothing is run around an app: commands of a release are stages of a deploy")
			}
		case "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "CapabilityBoundingSet", "AmbientCapabilities",
			"RootDirectory", "PrivateDevices", "PrivateNetwork", "SystemCallFilter", "RestrictAddressFamilies", "DynamicUser", "SupplementaryGroups":
			a.Lost(v.at, name+"="+v.text, "write it into a drop-in of wsgid-fleet.service for all apps, or chroot = true")
		case "RuntimeDirectory", "StateDirectory", "LogsDirectory", "CacheDirectory":
			a.Lost(v.at, name+"="+v.text, "make the folder by a file in /etc/tmpfiles.d")
		}
	}
}

// socket takes the addresses of the .socket beside a service.
func socket(o facts.Options, a *facts.App, service string) error {
	path := strings.TrimSuffix(service, ".service") + ".socket"
	if _, err := os.Stat(path); err != nil {
		return nil //nolint:nilerr // there is none
	}
	u, err := readUnit(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	list := u.values["Socket.ListenStream"]
	if len(list) == 0 {
		return nil
	}
	// The server takes these in place of its own.
	a.Facts = slices.DeleteFunc(a.Facts, func(f facts.Fact) bool {
		return f.Set == facts.SetListen || f.Set == facts.SetSocketMode || f.Set == facts.SetLost && strings.Contains(f.Was, "fd://")
	})
	for _, v := range list {
		address := u.specifiers(v.text)
		switch {
		case strings.HasPrefix(address, "/"):
			address = "unix:" + address
		case !strings.Contains(address, ":"):
			address = "*:" + address
		}
		a.Add(facts.Fact{Set: facts.SetListen, Value: address, Was: "ListenStream=" + v.text, At: v.at})
	}
	for key, set := range map[string]string{"Socket.SocketMode": facts.SetSocketMode, "Socket.SocketUser": facts.SetSocketUser, "Socket.SocketGroup": facts.SetSocketGrp} {
		if v, ok := u.last(key); ok {
			a.Add(facts.Fact{Set: set, Value: v.text, Was: strings.TrimPrefix(key, "Socket.") + "=" + v.text, At: v.at})
		}
	}
	a.Note(list[0].at, "", "the fleet opens the socket itself: disable "+filepath.Base(path)+", or hand it to wsgid-fleet.service and write systemd:NAME")
	return nil
}
