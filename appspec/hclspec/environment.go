package hclspec

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/appspec/explain"
)

// environment keeps an environment block of an app, or says why it may not stand
// where it stands.
func (d *decoder) environment(b *hcl.Block) {
	if len(b.Labels) == 0 {
		if text, ok := d.variables(b.Body); ok {
			d.fault(b.TypeRange, "environment variables go in env", "write: env = "+text+"; an environment of the app has a name: environment \"dev\" { … }")
			return
		}
	}
	switch {
	case d.defaults:
		d.fault(b.TypeRange, "environment is not allowed in defaults", "each app has its own: move it into the app blocks")
	case d.inner:
		name := "NAME"
		if len(b.Labels) > 0 {
			name = b.Labels[0]
		}
		d.fault(b.TypeRange, "an environment in an environment", "write environment "+appspec.Quote(name)+" { … } beside this one, in the app block")
	case len(b.Labels) == 0:
		d.fault(b.TypeRange, "the environment has no name", `write: environment "dev" { … }`)
	default:
		d.environments = append(d.environments, b)
	}
}

// variables tells whether a block holds environment variables, as those of other
// programs do: no block, and no name that an app knows. text is how they are
// written here.
func (d *decoder) variables(body hcl.Body) (text string, ok bool) {
	attrs, blocks, _ := d.f.section(body, nil)
	if len(attrs) == 0 || len(blocks) > 0 {
		return "", false
	}
	var parts []string
	for _, a := range attrs {
		if appspec.Table().Attribute[a.Name] != nil || appspec.Table().Block[a.Name] != nil {
			return "", false
		}
		parts = append(parts, a.Name+" = "+d.f.text(a.Expr.Range()))
	}
	text = "{ " + strings.Join(parts, ", ") + " }"
	if len(text) > 80 || strings.Contains(text, "= ,") || strings.Contains(text, "=  }") {
		text = `{ NAME = "value" }`
	}
	return text, true
}

// environmentAsAttribute says how to write what stands behind environment =: the
// variables of other programs, or environments of the app.
func (d *decoder) environmentAsAttribute(a *hcl.Attribute, v cty.Value) {
	if isObject(v) && v.LengthInt() > 0 && !holdsTexts(v) {
		d.fault(a.NameRange, "environment is a block, not an attribute", `write a block for each: environment "NAME" { … }`)
		return
	}
	text := `env = { NAME = "value" }`
	if written := d.f.text(a.Expr.Range()); isObject(v) && written != "" {
		text = "env = " + written
	}
	form := `environment "dev" { … }`
	if d.f.isJSON() {
		text, form = `"env": { "NAME": "value" }`, `"environment": { "dev": { … } }`
	}
	d.fault(a.NameRange, "environment variables go in env", "write: "+text+"; an environment of the app is a block: "+form)
}

// holdsTexts tells whether a value holds what no body of a block can be: a text, a
// number.
func holdsTexts(v cty.Value) bool {
	if v.IsNull() || !v.IsKnown() || !v.CanIterateElements() {
		return false
	}
	for key, e := range v.Elements() {
		if key.Type() == cty.String && key.AsString() == "//" { // a comment of JSON
			continue
		}
		if !e.IsNull() && e.Type().IsPrimitiveType() {
			return true
		}
	}
	return false
}

// family decodes the environments of an app. head is what is known of the app
// block, dec what it says.
func (o Options) family(head *candidate, dec *decoder, under *layer) []*candidate {
	head.family = head.label
	for i := range dec.layer.steps {
		if st := &dec.layer.steps[i]; st.setting != nil && st.setting.attr.Path == "path" {
			head.diags = append(head.diags, explain.Problem(st.rng, "path in an app with environments: all of them would be in one folder",
				"leave it out: each has <root>/"+head.name+"-<environment>; or write path in each environment"))
		}
	}
	all := []*candidate{head}
	for _, b := range dec.environments {
		c := o.member(head, dec, b, under)
		if c.name != "" {
			head.members = append(head.members, c.name)
		}
		all = append(all, c)
	}
	return all
}

// member decodes one environment and lays it over the app block.
func (o Options) member(head *candidate, dec *decoder, b *hcl.Block, under *layer) *candidate {
	c := &candidate{path: head.path, whole: b.DefRange, label: b.LabelRanges[0], family: head.family}
	env := b.Labels[0]
	name := appspec.EnvironmentName(head.name, env)
	fault := func(rng hcl.Range, what, instead string) {
		c.diags = append(c.diags, explain.Problem(rng, what, instead))
	}
	switch {
	case len(b.Labels) > 1:
		fault(b.LabelRanges[1], "the environment has more than one name", "write: environment "+appspec.Quote(env)+" { … }")
	case !appspec.ValidName(env):
		fault(c.label, "an environment cannot have the name "+appspec.Quote(env), strings.Replace(nameAdvice(env), ": app ", ": environment ", 1))
	case !appspec.ValidName(name):
		fault(c.label, "an app cannot have the name "+appspec.Quote(name)+", which has "+itoa(len(name))+" characters", "at most 63: shorten the name of the app or of the environment")
	default:
		c.name, c.env = name, env
	}
	inner := &decoder{o: o, f: dec.f, owner: "environment " + appspec.Quote(env) + " of " + dec.owner, inner: true}
	inner.body(b.Body, "", 0)
	inner.numbers()
	c.diags = append(c.diags, inner.diags...)
	if !c.diags.HasErrors() && !head.diags.HasErrors() {
		c.above = []*layer{under, &dec.layer}
		o.resolve(c, env, under, &dec.layer, &inner.layer)
	}
	return c
}

// as names a candidate for people.
func (c *candidate) as() string {
	if c.name == appspec.GateName {
		return "the gate"
	}
	if c.env == "" {
		return "app " + appspec.Quote(c.name)
	}
	return "environment " + appspec.Quote(c.env) + " of app " + appspec.Quote(strings.TrimSuffix(c.name, appspec.EnvironmentName("", c.env)))
}

// twice says that two candidates are to be one app.
func twice(name string, c, other *candidate) *hcl.Diagnostic {
	at := "the other is " + other.label.Filename + ":" + itoa(other.label.Start.Line)
	const meanwhile = "rename or remove one; until then the app keeps running as it is"
	switch {
	case c.name == appspec.GateName:
		return explain.Problem(c.label, "gate is defined twice", at+": a directory has one; put both into one block, with an http block for each listener; until then the gate keeps running as it is")
	case c.env == "" && other.env == "":
		return explain.Problem(c.label, "app "+appspec.Quote(name)+" is defined twice", at+": "+meanwhile)
	case c.env != "" && c.family == other.family:
		return explain.Problem(c.label, c.as()+" is defined twice", at+": put both into one block; until then the app keeps running as it is")
	}
	what := c.as()
	if c.env != "" {
		what += " is app " + appspec.Quote(name) + ", which"
	}
	return explain.Problem(c.label, what+" is there twice", at+", "+other.as()+": "+meanwhile)
}
