package importer

import (
	"slices"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// envFiles are the facts of an app in which a file of variables is named where env_file means
// the same, so that later edits of it count, and else stands as its variables, with why. Here
// such a file wins over env, and over the files before it.
func (d *draft) envFiles(all []facts.Fact) []facts.Fact {
	later := map[string]string{} // variables that win over a file, with what sets them
	searches := slices.ContainsFunc(all, func(f facts.Fact) bool { return f.Set == facts.SetSearchPath || f.Set == facts.SetFile })
	var out []facts.Fact // from the last one
	for _, f := range slices.Backward(all) {
		if f.Set != facts.SetEnvFile {
			if f.Set == facts.SetEnv || f.Set == facts.SetSecretEnv {
				later[f.Key] = facts.Either(f.At.String(), "the server")
			}
			out = append(out, f)
			continue
		}
		why := f.Key
		for _, v := range f.Vars {
			switch {
			case why != "":
			case later[v.Name] != "":
				why = v.Name + " is set at " + later[v.Name] + " too, which wins there"
			case v.Name == "PYTHONPATH" && searches:
				why = "its PYTHONPATH is put behind the folders that the server adds"
			}
		}
		if why == "" {
			out = append(out, f)
			continue
		}
		for _, one := range slices.Backward(f.Each()) {
			later[one.Key] = f.At.String()
			out = append(out, one)
		}
		out = append(out, facts.Fact{Set: facts.SetNote, Was: f.Was, At: f.At,
			Value: "its variables are written here one by one, and later edits of the file do not count: " + why})
	}
	slices.Reverse(out)
	return out
}

// envFile names a file of variables: those of env that it sets too are left out, as the
// file wins.
func (d *draft) envFile(f facts.Fact) {
	list, _ := d.page.values["env_file"].([]any)
	d.page.values["env_file"] = append(list, f.Value)
	d.came("env_file", f)
	env, _ := d.page.values["env"].(map[string]any)
	for _, v := range f.Vars {
		delete(env, v.Name)
	}
}
