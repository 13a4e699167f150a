package uwsgi

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"golang.org/x/text/encoding/charmap"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
)

// readYAML reads the mapping of a section. A key without a value is no option, and a
// mapping inside counts as if its keys stood outside. An alias is no option either, and
// a text with an anchor or a tag of its own ends the reading of the whole file, also
// where it stands before the section (uWSGI 2.0.21).
func (c *config) readYAML(file, asked string, text []byte) error {
	for d := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var doc yaml.Node
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return fmt.Errorf("cannot read %s: %w", file, err)
		}
		if len(doc.Content) != 1 || doc.Content[0].Kind != yaml.MappingNode {
			continue
		}
		top := doc.Content[0].Content
		for i := 0; i+1 < len(top); i += 2 {
			if top[i].Value == asked && top[i+1].Kind == yaml.MappingNode && top[i+1].Style&yaml.FlowStyle == 0 {
				if err := c.yamlValues(file, "", top[i+1]); !errors.Is(err, errYAMLEnds) {
					return err
				}
				return nil
			}
			for _, n := range top[i : i+2] {
				if at := yamlEnd(n); at != nil {
					c.yamlLost(file, at)
					return nil
				}
			}
		}
	}
	c.said = append(c.said, facts.Fact{Set: facts.SetLost, Was: file, At: facts.Position{File: file},
		Value: fmt.Sprintf("it has no mapping %s in lines of its own, so uWSGI takes nothing from it", asked)})
	return nil
}

var errYAMLEnds = errors.New("uWSGI reads no further")

// endsYAML tells whether a text ends what uWSGI reads.
func endsYAML(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Anchor != "" || n.Style&yaml.TaggedStyle != 0)
}

// yamlEnd is the first text in a value that ends what uWSGI reads.
func yamlEnd(n *yaml.Node) *yaml.Node {
	if endsYAML(n) {
		return n
	}
	for _, inner := range n.Content {
		if at := yamlEnd(inner); at != nil {
			return at
		}
	}
	return nil
}

func (c *config) yamlLost(file string, n *yaml.Node) {
	was := n.Tag + " " + facts.CommandText(n.Value)
	if n.Anchor != "" {
		was = "&" + n.Anchor + " " + facts.CommandText(n.Value)
	}
	c.said = append(c.said, facts.Fact{Set: facts.SetLost, Was: was, At: facts.Position{File: file, Line: n.Line},
		Value: "uWSGI reads nothing from here on (unsupported YAML token): it starts with what stands before; take the anchor or the tag away if the rest is wanted"})
}

func (c *config) yamlValues(file, key string, n *yaml.Node) error {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if endsYAML(n.Content[i]) {
				c.yamlLost(file, n.Content[i])
				return errYAMLEnds
			}
			if err := c.yamlValues(file, n.Content[i].Value, n.Content[i+1]); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if err := c.yamlValues(file, key, item); err != nil {
				return err
			}
		}
	case yaml.ScalarNode:
		if endsYAML(n) {
			c.yamlLost(file, n)
			return errYAMLEnds
		}
		if n.Tag == "!!null" && n.Value == "" && n.Style == 0 {
			return nil
		}
		return c.add(key, n.Value, facts.Position{File: file, Line: n.Line})
	case yaml.DocumentNode: // stands in no other node
	case yaml.AliasNode:
		c.said = append(c.said, facts.Fact{Set: facts.SetLost, Was: key + ": *" + n.Value, At: facts.Position{File: file, Line: n.Line},
			Value: "uWSGI does not know aliases: it takes nothing from it"})
	}
	return nil
}

// readJSON reads the object of a section: true is 1, false and null are 0, numbers as
// they are written, objects are passed over.
func (c *config) readJSON(file, asked string, text []byte) error {
	if !utf8.Valid(text) {
		return fmt.Errorf("cannot read %s: it is not UTF-8: uWSGI does not start with it", file)
	}
	text = facts.WithoutComments(text)
	d := &jsonOptions{text: text, dec: json.NewDecoder(bytes.NewReader(text)), add: func(key, value string, line int) error {
		return c.add(key, value, facts.Position{File: file, Line: line})
	}}
	d.dec.UseNumber()
	err := d.section(asked)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	return nil
}

type jsonOptions struct {
	text []byte
	dec  *json.Decoder
	add  func(key, value string, line int) error
}

func (d *jsonOptions) line() int {
	return 1 + bytes.Count(d.text[:min(int(d.dec.InputOffset()), len(d.text))], []byte("\n"))
}

// section reads the whole text, of which the first object of the name counts.
func (d *jsonOptions) section(asked string) error {
	if t, err := d.dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(errors.New("it is not a JSON object"), err)
	}
	found := false
	for d.dec.More() {
		key, err := d.dec.Token()
		if err != nil {
			return err
		}
		if key == asked && !found {
			found = true
			err = d.options(asked)
		} else {
			err = d.dec.Decode(new(json.RawMessage))
		}
		if err != nil {
			return err
		}
	}
	if t, err := d.dec.Token(); err != nil || t != json.Delim('}') {
		return errors.Join(errors.New("its object does not end"), err)
	}
	if _, err := d.dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is text behind its object: uWSGI does not start with it")
	}
	if !found {
		return fmt.Errorf("it holds no object %q: uWSGI does not start with it", asked)
	}
	return nil
}

// options reads the object of the section.
func (d *jsonOptions) options(asked string) error {
	if t, err := d.dec.Token(); err != nil || t != json.Delim('{') {
		return errors.Join(fmt.Errorf("%q is not an object", asked), err)
	}
	for d.dec.More() {
		name, err := d.dec.Token()
		if err != nil {
			return err
		}
		var v any
		if err := d.dec.Decode(&v); err != nil {
			return err
		}
		if err := d.option(name.(string), v); err != nil {
			return err
		}
	}
	_, err := d.dec.Token()
	return err
}

// option takes a value, or each of a list.
func (d *jsonOptions) option(name string, v any) error {
	items, isList := v.([]any)
	if !isList {
		items = []any{v}
	}
	for _, item := range items {
		value, ok := scalar(item)
		if !ok {
			continue
		}
		value, _, _ = strings.Cut(value, "\x00") // the end of a text in C
		if err := d.add(name, value, d.line()); err != nil {
			return err
		}
	}
	return nil
}

func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "1", true
		}
		return "0", true
	case nil:
		return "0", true
	}
	return "", false
}

// readXML reads the elements of <uwsgi>: an empty one is 1, text keeps its blanks.
func (c *config) readXML(file, section string, text []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(text))
	dec.CharsetReader = func(label string, in io.Reader) (io.Reader, error) {
		if strings.EqualFold(label, "iso-8859-1") || strings.EqualFold(label, "latin1") {
			return charmap.ISO8859_1.NewDecoder().Reader(in), nil
		}
		return nil, fmt.Errorf("its encoding is %s; save it as UTF-8", label)
	}
	fail := func(err error) error { return fmt.Errorf("cannot read %s: %w", file, err) }
	x := xmlOptions{section: section}
	for {
		token, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fail(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			line, _ := dec.InputPos()
			x.start(t, facts.Position{File: file, Line: line})
		case xml.CharData:
			x.chars(string(t))
		case xml.EndElement:
			if o, whole := x.end(); whole {
				if err := c.addXML(o); err != nil {
					return err
				}
			}
		}
	}
	if !x.found {
		return fail(errors.New("it holds no element <uwsgi>: uWSGI does not start with it"))
	}
	return nil
}

// xmlOptions follows a document to the elements of its first <uwsgi>, or of that whose id
// is the section's.
type xmlOptions struct {
	section string
	depth   int
	inside  int  // the depth of <uwsgi>; 0: it is outside
	found   bool // there was one
	option  xmlOption
}

// xmlOption is an element that is one option; without a key it is none.
type xmlOption struct {
	key, mount, value string
	filled            bool // it has a text, if only an empty one
	at                facts.Position
}

func (x *xmlOptions) start(t xml.StartElement, at facts.Position) {
	x.depth++
	id := xmlAttribute(t, "id")
	ofSection := x.section == "" || id == "" || id == x.section
	switch {
	case x.inside == 0 && !x.found && t.Name.Local == "uwsgi" && x.depth <= 2 && ofSection:
		x.inside, x.found = x.depth, true
	case x.inside > 0 && x.depth == x.inside+1:
		x.option = xmlOption{}
		if ofSection {
			x.option = xmlOption{key: t.Name.Local, mount: xmlAttribute(t, "mountpoint"), at: at}
		}
	}
}

// chars takes the first text of an option; of an app all of them, as elements stand between.
func (x *xmlOptions) chars(text string) {
	if o := &x.option; x.inside > 0 && x.depth > x.inside && o.key != "" && (!o.filled || o.key == "app") {
		o.value, o.filled = o.value+text, true
	}
}

// end is the option that ends here; whole is false where none does.
func (x *xmlOptions) end() (o xmlOption, whole bool) {
	if x.inside > 0 && x.depth == x.inside+1 && x.option.key != "" {
		o, whole = x.option, true
		x.option = xmlOption{}
	}
	if x.depth == x.inside {
		x.inside = 0
	}
	x.depth--
	return o, whole
}

func (c *config) addXML(o xmlOption) error {
	switch {
	case o.key == "app":
		if o.mount != "" {
			return c.add("mount", o.mount+"="+strings.TrimSpace(o.value), o.at)
		}
		return nil
	case !o.filled:
		o.value = "1"
	}
	return c.add(o.key, o.value, o.at)
}

func xmlAttribute(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
