package importer

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/checkout"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// suggestDeploy is a deploy block for the code of an app, as comments: it would change
// who makes the releases, which is not for an import to decide. Nothing where the code
// lies in no git checkout. dirs are where the code may lie, the surest first; inside are
// the attributes whose values may lead into the checkout.
func suggestDeploy(app string, dirs []string, inside map[string][]string, stages []facts.Fact) []string {
	var r *checkout.Repository
	for _, dir := range dirs {
		if r = checkout.RepositoryOf(dir); r != nil {
			break
		}
	}
	if r == nil {
		return nil
	}
	table := appspec.Table().Attribute
	remote := r.Remote
	if filepath.IsAbs(remote) {
		remote = "file://" + remote
	}
	if instead, ok := table["deploy.repository"].Check(remote); remote == "" || !ok {
		if _, without, isURL := strings.Cut(remote, "://"); isURL && strings.Contains(without, "@") { // nothing of it is for a terminal
			instead = "an address as https://HOST/PATH, without a user or a password"
		}
		return []string{"The code lies in a git checkout, " + r.Root + ", which was cloned from nowhere that a deploy fetches from: its repository takes " + facts.Either(instead, table["deploy.repository"].Form)}
	}
	file := hclwrite.NewEmptyFile()
	block := file.Body().AppendNewBlock("deploy", nil).Body()
	set := func(name string, value cty.Value, texts ...string) {
		for _, text := range texts {
			if _, ok := table["deploy."+name].Check(text); text == "" || !ok {
				return
			}
		}
		block.SetAttributeValue(name, value)
	}
	set("repository", cty.StringVal(remote), remote)
	set("branch", cty.StringVal(r.Branch), r.Branch)
	set("commit", cty.StringVal(r.Commit), r.Commit)
	set("directory", cty.StringVal(r.Directory), r.Directory)
	if len(r.Requirements) > 0 {
		set("requirements", list(r.Requirements), r.Requirements...)
	}
	if r.Submodules {
		set("submodules", cty.True)
	}
	if r.LFS {
		set("lfs", cty.True)
	}
	stage := func(name string, command ...string) {
		block.AppendNewBlock("stage", []string{name}).Body().SetAttributeValue("command", list(command))
	}
	if r.Migrate {
		stage("migrate", "python", "manage.py", "migrate", "--noinput")
	}
	if r.Collect {
		stage("static", "python", "manage.py", "collectstatic", "--noinput")
	}
	for _, f := range stages {
		if !r.Migrate || !slices.Contains(f.List, "migrate") {
			stage(facts.AppNameOf(f.Key), f.List...)
		}
	}
	text := "The code lies in a git checkout, " + r.Root + ". With the block below the fleet makes releases of it in place of whoever updates the checkout (wsgid-fleet deploy " + app + ")"
	if names := into(r.Root, inside); len(names) > 0 {
		text += "; then change what leads into the checkout: " + strings.Join(names, ", ") + " (app/ of the app folder is the release)"
	}
	lines := []string{text + ":"}
	return append(lines, strings.Split(strings.TrimSuffix(string(hclwrite.Format(file.Bytes())), "\n"), "\n")...)
}

// into are the attributes that lead below a folder.
func into(root string, inside map[string][]string) (names []string) {
	for _, name := range facts.SortedKeys(inside) {
		if slices.ContainsFunc(inside[name], func(path string) bool { return path == root || strings.HasPrefix(path, root+"/") }) {
			names = append(names, name)
		}
	}
	return names
}

func list(texts []string) cty.Value {
	values := make([]cty.Value, len(texts))
	for i, text := range texts {
		values[i] = cty.StringVal(text)
	}
	return cty.TupleVal(values)
}

// suggestion is the deploy block for an app of another server.
func (d *draft) suggestion() []string {
	text := func(path string) string {
		v, _ := lookup(d.page.values, path)
		s, _ := v.(string)
		return s
	}
	app, _, _ := strings.Cut(text("wsgi_app"), ":")
	inside := map[string][]string{"wsgi_app": {app}, "working_directory": {text("working_directory")}, "virtualenv": {text("virtualenv")}, "PYTHONPATH": d.paths}
	statics, _ := d.page.values["static"].([]any)
	for _, one := range statics {
		dir, _ := one.(map[string]any)["dir"].(string)
		inside["static.dir"] = append(inside["static.dir"], dir)
	}
	var dirs []string
	if filepath.IsAbs(app) {
		dirs = append(dirs, filepath.Dir(app))
	}
	dirs = append(dirs, d.dir.Value)
	return suggestDeploy(d.app.Name, append(dirs, d.paths...), inside, d.stages)
}
