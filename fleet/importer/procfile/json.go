package procfile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// ofJSON reads a .env that holds an object of JSON, of which foreman itself takes nothing: the
// foreman of npm and heroku local do (3.0.1; findings/foreman-of-npm-ends-a-value-at-a-hash.sh).
// A member of a member is a variable of both names, in capitals. false: it holds none.
func ofJSON(path string, text []byte) (env map[string]string, found []facts.Fact, ok bool) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var members map[string]any
	if d.Decode(&members) != nil || d.More() || members == nil {
		return nil, nil, false
	}
	env = map[string]string{}
	for name, member := range members {
		flatten(env, name, member)
	}
	at := facts.Position{File: path, Line: 1}
	found = append(found, facts.Fact{Set: facts.SetNote, Was: "JSON", At: at,
		Value: "it was taken as heroku local and the foreman of npm read it, each variable by the names of its members; the foreman of Ruby takes nothing from it"})
	for _, name := range slices.Sorted(maps.Keys(env)) {
		found = append(found, facts.Fact{Set: facts.SetSecretEnv, Key: name, Value: env[name], Was: name, At: at})
	}
	return env, found, true
}

func flatten(env map[string]string, name string, member any) {
	switch v := member.(type) {
	case map[string]any:
		for inner, one := range v {
			flatten(env, name+"_"+inner, one)
		}
	case []any:
		for i, one := range v {
			flatten(env, name+"_"+strconv.Itoa(i), one)
		}
	case nil: // no variable
	default:
		env[strings.ToUpper(name)] = fmt.Sprint(v)
	}
}
