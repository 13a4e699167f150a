package procfile

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// options are those that foreman takes from a file .foreman of its folder, by their long
// names (0.87.2; findings/foreman-starts-what-a-hidden-file-says.sh).
type options map[string]option

type option struct {
	value string
	at    facts.Position
}

func (o option) was(name string) string { return name + ": " + o.value }

var optionLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^:?(procfile|root|env|formation|port|timeout):\s+(?:"([^"]*)"|'([^']*)'|([^#]*?))\s*(?:\s#.*)?$`)
})

// optionsOf reads the file of a folder.
func optionsOf(dir string) (options, error) {
	path := filepath.Join(dir, ".foreman")
	text, err := facts.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	all := options{}
	for i, line := range strings.Split(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n") {
		if m := optionLine().FindStringSubmatch(line); m != nil {
			all[m[1]] = option{m[2] + m[3] + m[4], facts.Position{File: path, Line: i + 1}}
		}
	}
	return all, nil
}

// environment reads the files that env names in place of .env.
func (o options) environment(dir string) (env map[string]string, names []string, found []facts.Fact, err error) {
	given, ok := o["env"]
	if !ok {
		return dotEnv(filepath.Join(dir, ".env"))
	}
	env = map[string]string{}
	for name := range strings.SplitSeq(given.value, ",") {
		path := facts.Rel(dir, name)
		if _, err := os.Stat(path); err != nil {
			return nil, nil, nil, fmt.Errorf("%s: %s: foreman does not start without the file: %w", given.at, given.was("env"), facts.WithoutPath(err))
		}
		one, its, said, err := dotEnv(path)
		if err != nil {
			return nil, nil, nil, err
		}
		maps.Copy(env, one)
		names, found = append(names, its...), append(found, said...)
	}
	return env, names, found, nil
}

// count is how many processes of a name are started.
func (o options) count(name string) int {
	given, ok := o["formation"]
	if !ok {
		return 1
	}
	counts := map[string]int{}
	for pair := range strings.SplitSeq(given.value, ",") {
		key, n, _ := strings.Cut(strings.TrimSpace(pair), "=")
		counts[key], _ = strconv.Atoi(strings.TrimSpace(n)) // what is no number is 0
	}
	if n, ok := counts[name]; ok {
		return n
	}
	return counts["all"]
}

// tell says what is not carried over.
func (o options) tell(a *facts.App, file string) {
	if other, ok := o["procfile"]; ok && filepath.Base(other.value) != filepath.Base(file) {
		a.Note(other.at, other.was("procfile"), "foreman started that file, not "+filepath.Base(file)+": import it, or the folder")
	}
	if root, ok := o["root"]; ok {
		a.Lost(root.at, root.was("root"), "write working_directory, and that folder's .env into env")
	}
	if limit, ok := o["timeout"]; ok {
		a.Note(limit.at, limit.was("timeout"), "workers.stop_timeout and stop_timeout of a process say it here, 30s where nothing does")
	}
}
