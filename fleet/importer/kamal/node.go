package kamal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"

	"go.yaml.in/yaml/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// node is a value of the configuration with its place: aliases and merges are resolved.
type node struct {
	kind    yaml.Kind // scalar, sequence or mapping
	text    string
	null    bool
	keys    []string
	members map[string]*node
	items   []*node
	at      facts.Position
}

// at is a value below, by its keys; nil: it is not there.
func (n *node) get(keys ...string) *node {
	for _, key := range keys {
		if n == nil || n.kind != yaml.MappingNode {
			return nil
		}
		n = n.members[key]
	}
	return n
}

// value is the text of a scalar; empty: it is none, or not there.
func (n *node) value() string {
	if n == nil || n.kind != yaml.ScalarNode || n.null {
		return ""
	}
	return n.text
}

// texts are the scalars of a list, or a scalar alone.
func (n *node) texts() []string {
	switch {
	case n == nil || n.null:
		return nil
	case n.kind == yaml.ScalarNode:
		return []string{n.text}
	}
	var all []string
	for _, item := range n.items {
		if item.kind == yaml.ScalarNode {
			all = append(all, item.text)
		}
	}
	return all
}

func (n *node) is(text string) bool { return n.value() == text }

func (n *node) position() facts.Position {
	if n == nil {
		return facts.Position{}
	}
	return n.at
}

// put sets a member, behind those that are there.
func (n *node) put(key string, v *node) {
	if _, ok := n.members[key]; !ok {
		n.keys = append(n.keys, key)
	}
	n.members[key] = v
}

// merge is a configuration with that of a destination over it: mappings are merged, all
// else is replaced.
func merge(base, over *node) *node {
	if base == nil || base.kind != yaml.MappingNode || over.kind != yaml.MappingNode {
		return over
	}
	merged := &node{kind: yaml.MappingNode, members: map[string]*node{}, at: base.at}
	for _, key := range base.keys {
		merged.put(key, base.members[key])
	}
	for _, key := range over.keys {
		merged.put(key, merge(base.members[key], over.members[key]))
	}
	return merged
}

// ruby is a tag of ERB: kamal has Ruby run the file before it is YAML.
var ruby = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`(?s)<%(.*?)%>`) })

// mark stands where Ruby writes a value; no file holds it otherwise.
const mark = "\ue000"

// document is one file on its way.
type document struct {
	path  string
	nodes int
	lost  []facts.Fact // what Ruby was to say
}

// readFile reads a file of the configuration.
func readFile(path string) (*node, []facts.Fact, error) {
	text, err := facts.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	d := &document{path: path}
	plain := d.withoutRuby(string(text))
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader([]byte(plain))).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		if plain != string(text) {
			err = fmt.Errorf("%w; Ruby writes parts of it (ERB), which is not run: write what it says in their places", err)
		}
		return nil, nil, err
	}
	root := &node{kind: yaml.MappingNode, members: map[string]*node{}, at: facts.Position{File: path}}
	if len(doc.Content) == 1 {
		if root, err = d.node(doc.Content[0], "", 0); err != nil {
			return nil, nil, err
		}
	}
	if root == nil || root.kind != yaml.MappingNode {
		return nil, nil, errors.New("it is no mapping of names to values")
	}
	return root, d.lost, nil
}

// withoutRuby is a text whose tags of ERB are marks where they write something, and nothing
// else; lines stay.
func (d *document) withoutRuby(text string) string {
	var out strings.Builder
	at := 0
	for _, m := range ruby().FindAllStringIndex(text, -1) {
		out.WriteString(text[at:m[0]])
		tag := text[m[0]:m[1]]
		before := text[strings.LastIndexByte(text[:m[0]], '\n')+1 : m[0]]
		comment := strings.HasPrefix(strings.TrimSpace(before), "#")
		if strings.HasPrefix(tag, "<%=") {
			out.WriteString(mark)
		} else if !comment && !strings.HasPrefix(tag, "<%#") {
			line := strings.Count(text[:m[0]], "\n") + 1
			d.lost = append(d.lost, facts.Fact{Set: facts.SetLost, Was: facts.CommandText(tag), At: facts.Position{File: d.path, Line: line},
				Value: "it is Ruby (ERB), which is not run: look what it makes of the lines around it"})
		}
		out.WriteString(strings.Repeat("\n", strings.Count(tag, "\n")))
		at = m[1]
	}
	return out.String() + text[at:]
}

// node is a value of YAML; nil: Ruby says what it is.
func (d *document) node(y *yaml.Node, path string, depth int) (*node, error) {
	if d.nodes++; d.nodes > facts.MaxOptions || depth > 100 {
		return nil, errors.New("its aliases make more of it than a configuration is")
	}
	at := facts.Position{File: d.path, Line: y.Line}
	n := &node{kind: y.Kind, text: y.Value, null: y.Tag == "!!null", members: map[string]*node{}, at: at}
	if strings.Contains(y.Value, mark) || strings.Contains(y.Anchor, mark) {
		d.lost = append(d.lost, facts.Fact{Set: facts.SetLost, Was: facts.Either(path, "a key"), At: at,
			Value: "Ruby (ERB) says what it is, and is not run: write the value"})
		return nil, nil
	}
	switch y.Kind {
	case yaml.AliasNode:
		return d.node(y.Alias, path, depth+1)
	case yaml.SequenceNode:
		for _, item := range y.Content {
			one, err := d.node(item, path, depth+1)
			if err != nil {
				return nil, err
			}
			if one != nil {
				n.items = append(n.items, one)
			}
		}
	case yaml.MappingNode:
		return n, d.mapping(n, y, path, depth)
	case yaml.DocumentNode, yaml.ScalarNode:
	}
	return n, nil
}

func (d *document) mapping(n *node, y *yaml.Node, path string, depth int) error {
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		name := strings.TrimPrefix(path+"."+key.Value, ".")
		v, err := d.node(y.Content[i+1], name, depth+1)
		if err != nil {
			return err
		}
		switch {
		case v == nil || strings.Contains(key.Value, mark):
		case key.Tag == "!!merge":
			for _, from := range append(v.items, v) {
				for _, inner := range from.keys {
					if n.members[inner] == nil {
						n.put(inner, from.members[inner])
					}
				}
			}
		default:
			if v.kind == yaml.ScalarNode {
				v.at.Line = key.Line
			}
			n.put(key.Value, v)
		}
	}
	return nil
}
