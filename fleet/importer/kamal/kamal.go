package kamal

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// reader makes the facts of an app.
type reader struct {
	o           facts.Options
	app         *facts.App
	project     string // the folder with config/
	destination string
	root        *node
	image       *dockerfile // nil: it is not here
	env         map[string]string
	web         *node // the primary role, where it has settings
	primary     string
	in          string // where the server went, of the app folder
}

// Mark is by which a deploy.yml is told from other YAML.
var Mark = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?m)^service:\s*\S`) })

// isKamals tells whether a file is a configuration that kamal deploys by, or that of a
// destination.
func isKamals(path string) bool {
	text, err := facts.ReadFile(path)
	return err == nil && Mark().Match(text)
}

// IsProject tells whether a folder is one that kamal is run in.
func IsProject(dir string) bool { return isKamals(baseFile(dir)) }

// IsFile tells whether a path is the configuration of kamal, or of a destination of it.
func IsFile(path string) bool {
	name := filepath.Base(path)
	if !strings.HasPrefix(name, "deploy.") || !slices.Contains([]string{".yml", ".yaml"}, filepath.Ext(name)) {
		return false
	}
	return isKamals(path) || isKamals(filepath.Join(filepath.Dir(path), "deploy.yml"))
}

func baseFile(project string) string { return filepath.Join(project, "config", "deploy.yml") }

// destinationOf is what stands in deploy.DESTINATION.yml.
func destinationOf(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
	_, destination, _ := strings.Cut(name, ".")
	return destination
}

// Read reads a project with all of its destinations, or the file of one.
func Read(o facts.Options, path string) ([]*facts.App, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if !facts.IsFolder(abs) {
		a, err := readApp(o, abs, destinationOf(abs))
		if err != nil {
			return nil, err
		}
		return []*facts.App{a}, nil
	}
	base := baseFile(abs)
	root, _, err := readFile(base)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", base, err)
	}
	var all []*facts.App
	var errs []error
	files := destinations(base)
	if root.get("servers") != nil && !root.get("require_destination").is("true") || len(files) == 0 {
		files = append([]string{base}, files...)
	}
	for _, file := range files {
		a, err := readApp(o, file, destinationOf(file))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(file), err))
			continue
		}
		all = append(all, a)
	}
	return all, errors.Join(errs...)
}

// destinations are the files of destinations beside a configuration.
func destinations(base string) []string {
	names, err := facts.FolderNames(filepath.Dir(base))
	if err != nil {
		return nil
	}
	var files []string
	for _, name := range names {
		if strings.HasPrefix(name, "deploy.") && filepath.Ext(name) == ".yml" && destinationOf(name) != "" {
			files = append(files, filepath.Join(filepath.Dir(base), name))
		}
	}
	return files
}

// readApp reads the app of a file: that of a destination is merged over deploy.yml.
func readApp(o facts.Options, file, destination string) (*facts.App, error) {
	folder := filepath.Dir(file)
	r := &reader{o: o, destination: destination, project: folder, env: map[string]string{}}
	if filepath.Base(folder) == "config" {
		r.project = filepath.Dir(folder)
	}
	base := file
	if destination != "" {
		base = filepath.Join(folder, "deploy"+filepath.Ext(file))
	}
	root, said, err := readFile(base)
	if err != nil {
		return nil, err
	}
	if destination != "" {
		over, more, err := readFile(file)
		if err != nil {
			return nil, err
		}
		root, said = merge(root, over), append(said, more...)
	}
	r.root = root
	name := facts.Either(root.get("service").value(), filepath.Base(r.project))
	if destination != "" {
		name += "-" + destination
	}
	r.app = &facts.App{Name: facts.AppNameOf(name), Source: file + " (kamal)", Facts: said}
	if destination == "" && len(destinations(base)) > 0 {
		r.app.Note(facts.Position{File: base}, "", "files of destinations lie beside it: each is imported by its own name, or all by the folder of the project")
	}
	return r.app, r.read()
}

func (r *reader) read() error {
	dockerfile, err := r.readDockerfile()
	if err != nil {
		return err
	}
	r.image = dockerfile
	r.roles()
	if err := r.application(); err != nil {
		return err
	}
	r.imageFacts()
	if err := r.environment(); err != nil {
		return err
	}
	r.proxy()
	r.volumes()
	r.others()
	r.rest()
	return nil
}

// roles finds the role that answers requests.
func (r *reader) roles() {
	r.primary = facts.Either(r.root.get("primary_role").value(), "web")
	r.web = r.root.get("servers", r.primary)
}

// hosts are the machines of a role.
func hosts(role *node) []string {
	list := role
	if h := role.get("hosts"); h != nil {
		list = h
	}
	all := list.texts()
	if list != nil {
		for _, item := range list.items {
			all = append(all, item.keys...) // with tags
		}
	}
	return all
}

// machines says on how many machines the app ran.
func (r *reader) machines() []string {
	servers := r.root.get("servers")
	if servers == nil {
		return nil
	}
	all := hosts(servers)
	if servers.members[r.primary] != nil {
		all = hosts(r.web)
	}
	if len(all) > 1 {
		r.app.Note(servers.at, "servers: "+strings.Join(all, ", "), fmt.Sprintf("kamal ran it on each of %d hosts: put the spec on each of them, or into etcd with backends { count = %d }", len(all), len(all)))
	}
	return all
}

// known are the keys of a configuration: what is said of it besides, or nothing.
var known = map[string]string{
	"service": "", "image": "", "servers": "", "env": "", "proxy": "", "accessories": "", "volumes": "", "logging": "", "labels": "", "aliases": "",
	"registry": "", "ssh": "", "sshkit": "", "minimum_version": "", "require_destination": "", "primary_role": "", "allow_empty_roles": "",
	"readiness_delay": "", "hooks_output": "", "hooks_path": "", "secrets_path": "", "run_directory": "", "builder": "", "deploy_timeout": "", "drain_timeout": "",
	"stop_timeout": "", "output": "",
	"retain_containers": "how many releases are kept is said by keep of the deploy block",
	"boot":              "each host rolls its own workers, the new ones beside the old: where one host after the other is wanted, deploy to one at a time",
	"asset_path":        "write a static block for the folder; files of the release before are not kept beside the new ones: let the app's own storage keep them where pages that are open ask for them",
	"error_pages_path":  "a request that no worker can answer gets a short text: what the app answers itself is the app's",
}

// rest names what is left.
func (r *reader) rest() {
	for _, key := range r.root.keys {
		n := r.root.members[key]
		why, ok := known[key]
		switch {
		case strings.HasPrefix(key, "x-"):
		case !ok:
			r.app.Lost(n.at, key, "kamal knows no such key either, and does not start with it")
		case why != "":
			r.app.Lost(n.at, key+": "+facts.CommandText(n.value()), why)
		}
	}
	if n := r.root.get("aliases"); n != nil {
		r.app.Note(n.at, "aliases: "+strings.Join(n.keys, ", "), "they name commands of kamal's: wsgid-fleet help tells those that are in their places")
	}
	r.logging()
	r.hooks()
}

// logging is what Docker does with the output.
func (r *reader) logging() {
	n := r.root.get("logging")
	if driver := n.get("driver"); driver != nil && !slices.Contains([]string{"json-file", "local", "journald"}, driver.value()) {
		r.app.Lost(driver.at, "logging.driver: "+driver.value(), "the log is logs/wsgid.log of the app folder, or by log.target the journal: have it collected from there")
	} else if driver.is("journald") {
		r.app.Add(facts.Fact{Set: "log.target", Value: "journal", Was: "logging.driver: journald", At: driver.at})
	}
	if size := n.get("options", "max-size"); size != nil {
		r.app.Add(facts.Fact{Set: "log.max_size", Value: sizeOf(size.value()), Was: "logging.options.max-size: " + size.value(), At: size.at})
	}
	if keep := n.get("options", "max-file"); keep != nil {
		r.app.Add(facts.Fact{Set: "log.keep", Value: keep.value(), Was: "logging.options.max-file: " + keep.value(), At: keep.at})
	}
}

// sizeOf is a size of Docker's, whose letters are powers of 1024.
func sizeOf(text string) string {
	text = strings.ReplaceAll(strings.ToLower(text), "_", "")
	for letter, unit := range map[string]string{"k": "KiB", "m": "MiB", "g": "GiB"} {
		for _, end := range []string{letter + "b", letter} {
			if n, ok := strings.CutSuffix(text, end); ok {
				return n + unit
			}
		}
	}
	return strings.TrimSuffix(text, "b")
}

// hooks are programs that kamal runs around a deploy.
func (r *reader) hooks() {
	dir := facts.Rel(r.project, facts.Either(r.root.get("hooks_path").value(), filepath.Join(".kamal", "hooks")))
	names, err := facts.FolderNames(dir)
	if err != nil {
		return // there are none
	}
	for _, name := range names {
		if !strings.Contains(name, ".") { // NAME.sample is an example
			r.app.Lost(facts.Position{File: filepath.Join(dir, name)}, "hook "+name, "kamal ran it where it was started: make what the app needs of it a stage of the deploy, which runs on the host")
		}
	}
}

// environment are the variables of the app, of the image, of all roles and of the primary one.
func (r *reader) environment() error {
	secrets, err := readSecrets(r.o, r.project, r.secretFiles())
	if err != nil {
		return err
	}
	for _, n := range []*node{r.root.get("env"), r.web.get("env")} {
		for _, key := range clearOf(n) {
			v := n.get("clear", key)
			if v == nil {
				v = n.get(key)
			}
			r.env[key] = v.value()
			r.app.Add(facts.Fact{Set: facts.SetEnv, Key: key, Value: v.value(), Was: key, At: v.position()})
			r.inImage(key, v.value(), v.position())
		}
		if list := n.get("secret"); list != nil {
			for _, item := range list.items {
				r.secret(item, secrets)
			}
		}
		if tags := n.get("tags"); tags != nil {
			r.app.Lost(tags.at, "env.tags: "+strings.Join(tags.keys, ", "), "an app has the same variables on all hosts: write an environment block for each tag, with what differs")
		}
	}
	return nil
}

// clearOf are the names of the variables that stand in the configuration.
func clearOf(n *node) []string {
	if n == nil {
		return nil
	}
	if c := n.get("clear"); c != nil {
		return c.keys
	}
	if n.get("secret") != nil || n.get("tags") != nil {
		return nil
	}
	return n.keys
}

// secret is a variable whose value is among the secrets, maybe by another name.
func (r *reader) secret(item *node, secrets map[string]secret) {
	name, from, renamed := strings.Cut(item.text, ":")
	if !renamed {
		from = name
	}
	s, ok := secrets[from]
	was := "env.secret: " + item.text
	switch {
	case !ok:
		r.app.Add(facts.Fact{Set: facts.SetMissing, Key: name, Was: was + ", of which the secrets say nothing", At: item.at})
	case s.asks != "":
		r.app.Add(facts.Fact{Set: facts.SetMissing, Key: name, Was: was + ", which kamal gets by " + s.asks, At: s.at})
	default:
		if s.shell != "" {
			r.app.Note(s.at, was, "its value is that of $"+s.shell+" in this shell, which may not be the one that kamal is run in")
		}
		r.app.Add(facts.Fact{Set: facts.SetSecretEnv, Key: name, Value: s.value, Was: was, At: s.at})
	}
}

// roleEnv names the variables of a role that are not those of the app.
func (r *reader) roleEnv(name string, role *node) {
	n := role.get("env")
	names := clearOf(n)
	for _, key := range slices.Clone(names) {
		v := n.get("clear", key)
		if v == nil {
			v = n.get(key)
		}
		if r.env[key] == v.value() {
			names = slices.DeleteFunc(slices.Clone(names), func(s string) bool { return s == key })
		}
	}
	names = append(names, n.get("secret").texts()...)
	if len(names) > 0 {
		r.app.Lost(n.at, "servers."+name+".env: "+strings.Join(names, ", "), "all that runs of an app has the app's variables: write them into env, or make an app of its own for the role")
	}
}

// keysBut are the keys of a mapping that are not among some.
func keysBut(n *node, but ...string) []string {
	if n == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(n.members)), func(key string) bool { return slices.Contains(but, key) })
}
