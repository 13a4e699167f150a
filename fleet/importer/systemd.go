package importer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
)

// unitFile is a unit of systemd with its drop-ins: values of a key in order, an empty
// one takes those before it away.
type unitFile struct {
	path   string
	values map[string][]unitValue // by Section.Key
}

type unitValue struct {
	text string
	at   Position
}

// readUnit reads a unit and its drop-ins.
func readUnit(path string) (*unitFile, error) {
	u := &unitFile{path: path, values: map[string][]unitValue{}}
	text, err := readFile(path)
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
		names, err := folderNames(folder)
		if err != nil {
			continue // there is none
		}
		for _, n := range names {
			if strings.HasSuffix(n, ".conf") {
				drop[n] = filepath.Join(folder, n)
			}
		}
	}
	for _, n := range sortedKeysOf(drop) {
		text, err := readFile(drop[n])
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
			u.values[key] = append(u.values[key], unitValue{value, Position{path, began}})
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

// systemd reads a .service unit that starts a WSGI server, with the .socket beside it.
func (o Options) systemd(path string) ([]*App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	u, err := readUnit(abs)
	if err != nil {
		return nil, err
	}
	a := &App{Name: appNameOf(strings.TrimSuffix(filepath.Base(abs), ".service")), Source: abs + " (systemd)"}
	start, ok := u.last("Service.ExecStart")
	if !ok {
		return nil, errors.New("it has no ExecStart")
	}
	env, err := u.environment(a)
	if err != nil {
		return nil, err
	}
	c := command{was: "ExecStart = " + commandText(start.text), at: start.at, env: env, dir: "/"}
	c.argv = unitWords(strings.TrimLeft(start.text, "@-:+!"), env)
	if v, ok := u.last("Service.WorkingDirectory"); ok {
		dir := strings.TrimPrefix(v.text, "-")
		if dir == "~" {
			a.lost(v.at, "WorkingDirectory=~", "name the folder: path")
		} else {
			c.dir = dir
			a.add(Fact{Set: setDirectory, Value: dir, Was: "WorkingDirectory=" + v.text, At: v.at})
		}
	}
	server, err := o.service(a, c)
	if err != nil {
		return nil, err
	}
	if server == "" {
		return nil, fmt.Errorf("%s: its command starts no WSGI server that is known here (%s): %s", start.at, knownServers, commandText(start.text))
	}
	u.facts(a)
	u.timers(a, env)
	return []*App{a}, o.unitSocket(a, abs)
}

// environment reads Environment= and EnvironmentFile=, which wins.
func (u *unitFile) environment(a *App) (map[string]string, error) {
	env := map[string]string{}
	for _, v := range u.values["Service.Environment"] {
		for _, kv := range unitWords(u.specifiers(v.text), nil) {
			if key, value, ok := strings.Cut(kv, "="); ok {
				env[key] = value
				a.add(Fact{Set: setEnv, Key: key, Value: value, Was: "Environment=" + key, At: v.at})
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
			text, err := readFile(file)
			if err != nil {
				if !optional {
					a.lost(v.at, "EnvironmentFile="+path, "it cannot be read: "+err.Error())
				}
				continue
			}
			for _, v := range hclspec.ReadEnvFile(string(text)) {
				env[v.Name] = v.Value
				a.add(Fact{Set: setSecretEnv, Key: v.Name, Value: v.Value, Was: v.Name, At: Position{File: file}})
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
func (u *unitFile) facts(a *App) {
	for _, key := range sortedKeysOf(u.values) {
		name, ok := strings.CutPrefix(key, "Service.")
		if !ok {
			continue
		}
		v, _ := u.last(key)
		set := func(attribute, value string) {
			a.add(Fact{Set: attribute, Value: value, Was: name + "=" + v.text, At: v.at})
		}
		switch name {
		case "User":
			set("user", userName(v.text))
		case "Group":
			set("group", groupName(v.text))
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
			set("no_new_privileges", strconv.FormatBool(uwsgiTrue(v.text)))
		case "TimeoutStopSec":
			if n := leadingInt(v.text); n > 0 && strconv.Itoa(n) == strings.TrimSuffix(v.text, "s") {
				set("workers.stop_timeout", strconv.Itoa(n)+"s")
			}
		case "ExecStartPre", "ExecStartPost", "ExecStop", "ExecStopPost":
			for _, one := range u.values[key] {
				if name == "ExecStop" && strings.Contains(one.text, "MAINPID") {
					continue
				}
				a.lost(one.at, name+"="+commandText(one.text), "nothing is run around an app: commands of a release are stages of a deploy")
			}
		case "PrivateTmp", "ProtectSystem", "ProtectHome", "ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths", "CapabilityBoundingSet", "AmbientCapabilities",
			"RootDirectory", "PrivateDevices", "PrivateNetwork", "SystemCallFilter", "RestrictAddressFamilies", "DynamicUser", "SupplementaryGroups":
			a.lost(v.at, name+"="+v.text, "write it into a drop-in of wsgid-fleet.service for all apps, or chroot = true")
		case "RuntimeDirectory", "StateDirectory", "LogsDirectory", "CacheDirectory":
			a.lost(v.at, name+"="+v.text, "make the folder by a file in /etc/tmpfiles.d")
		}
	}
}

// unitSocket takes the addresses of the .socket beside a service.
func (o Options) unitSocket(a *App, service string) error {
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
	a.Facts = slices.DeleteFunc(a.Facts, func(f Fact) bool {
		return f.Set == setListen || f.Set == setSocketMode || f.Set == setLost && strings.Contains(f.Was, "fd://")
	})
	for _, v := range list {
		address := u.specifiers(v.text)
		switch {
		case strings.HasPrefix(address, "/"):
			address = "unix:" + address
		case !strings.Contains(address, ":"):
			address = "*:" + address
		}
		a.add(Fact{Set: setListen, Value: address, Was: "ListenStream=" + v.text, At: v.at})
	}
	for key, set := range map[string]string{"Socket.SocketMode": setSocketMode, "Socket.SocketUser": setSocketUser, "Socket.SocketGroup": setSocketGrp} {
		if v, ok := u.last(key); ok {
			a.add(Fact{Set: set, Value: v.text, Was: strings.TrimPrefix(key, "Socket.") + "=" + v.text, At: v.at})
		}
	}
	a.note(list[0].at, "", "the fleet opens the socket itself: disable "+filepath.Base(path)+", or hand it to wsgid-fleet.service and write systemd:NAME")
	return nil
}
