package main

import (
	"slices"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/hclspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
)

// appNames are the names that a command line may speak of: an app is what the spec
// directory has, broken or not, and what still runs although its spec was removed.
type appNames struct {
	apps         []string            // sorted
	environments map[string][]string // of apps that do not run themselves, sorted
}

// statusNames are those of a fleet.
func statusNames(status *fleet.Status) appNames {
	n := appNames{environments: map[string][]string{}}
	for _, app := range status.Apps {
		n.add(app.Name, app.Environment)
	}
	if status.Gate != nil {
		n.apps = append(n.apps, appspec.GateName)
	}
	for _, fault := range status.Faults {
		n.apps = append(n.apps, fault.Apps...)
	}
	return n.sorted()
}

// setNames are those of a set of specs.
func setNames(set *hclspec.Set) appNames {
	n := appNames{environments: map[string][]string{}}
	for name, spec := range set.Specs {
		n.add(name, spec.Environment)
	}
	for _, fault := range set.Faults {
		if fault.App != "" {
			n.apps = append(n.apps, fault.App)
		}
		n.apps = append(n.apps, fault.Apps...)
	}
	return n.sorted()
}

func (n *appNames) add(name, environment string) {
	n.apps = append(n.apps, name)
	if environment != "" {
		app := strings.TrimSuffix(name, appspec.EnvironmentName("", environment))
		n.environments[app] = append(n.environments[app], environment)
	}
}

func (n appNames) sorted() appNames {
	slices.Sort(n.apps)
	n.apps = slices.Compact(n.apps)
	for _, list := range n.environments {
		slices.Sort(list)
	}
	return n
}

func (n appNames) known(name string) bool {
	_, found := slices.BinarySearch(n.apps, name)
	return found
}

// first is the app that the first of the words name, by one of them or by two: an
// environment may be written as one word or as two. A word that is an app is that
// app, whatever follows; only one that is none, as it has environments, is taken
// with the next. used is 0 where there is no such app.
func (n appNames) first(words []string) (name string, used int) {
	pair := ""
	if len(words) > 1 {
		pair = appspec.EnvironmentName(words[0], words[1])
		if slices.Contains(n.environments[words[0]], words[1]) {
			return pair, 2
		}
	}
	switch {
	case n.known(words[0]):
		return words[0], 1
	case pair != "" && n.known(pair):
		return pair, 2
	}
	return words[0], 0
}

// resolve makes names of apps of words, each once. bad is the index of the first
// word that is none, -1 where all are.
func (n appNames) resolve(words []string) (names []string, bad int) {
	for i := 0; i < len(words); {
		name, used := n.first(words[i:])
		if used == 0 {
			return names, i
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		i += used
	}
	return names, -1
}

// instead says what may have been meant by the word at i, which is no app.
func (n appNames) instead(words []string, i int) string {
	word := words[i]
	if envs := n.environments[word]; len(envs) > 0 {
		var names []string
		for _, env := range envs {
			names = append(names, appspec.EnvironmentName(word, env))
		}
		text := "it runs only in its environments: " + strings.Join(names, ", ")
		if i+1 < len(words) {
			if near := didYouMean(words[i+1], envs); near != "" {
				return text + near
			}
		}
		return text
	}
	if i > 0 {
		if pair := appspec.EnvironmentName(words[i-1], word); n.known(pair) {
			return `did you mean "` + pair + `"?`
		}
	}
	shown := slices.DeleteFunc(slices.Clone(n.apps), func(name string) bool { return name == appspec.GateName })
	return strings.TrimPrefix(meantOf(word, shown), "; ")
}
