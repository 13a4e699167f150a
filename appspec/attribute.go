package appspec

import (
	"sort"
	"strings"
	"sync"
)

// Type is the type of an attribute's value.
type Type int

// The types of the language.
const (
	TypeString   Type = iota
	TypeBool          // true or false
	TypeInt           // a whole number
	TypeFloat         // a number
	TypeDuration      // a string in Go's syntax
	TypeSize          // a string with a unit, or a number of bytes
	TypeMode          // permission bits as a string of octal digits
	TypeList          // a list of strings
	TypeMap           // a map of strings
	TypeObject        // an object of any values
)

func (t Type) String() string {
	switch t {
	case TypeBool:
		return "bool"
	case TypeInt:
		return "whole number"
	case TypeFloat:
		return "number"
	case TypeDuration:
		return "duration"
	case TypeSize:
		return "size"
	case TypeMode:
		return "file mode"
	case TypeList:
		return "list of strings"
	case TypeMap:
		return "map of strings"
	case TypeObject:
		return "object"
	default:
		return "string"
	}
}

// Attribute is one row of the table.
type Attribute struct {
	Path       string // from the app block down: "workers.count"
	Type       Type
	Default    string     // as HCL; empty: not set, or as Doc says
	Disruption Disruption // what a change costs
	Doc        string     // one line for the reference page
	Example    string     // as HCL; what a diagnostic suggests to write. Empty: Default

	// Allowed values. Min and Max are in units, nanoseconds or bytes; both 0: any.
	Min, Max float64
	Zero     bool     // 0 is allowed besides Min … Max, and means what Doc says
	OneOf    []string // the only allowed strings
	Form     string   // the allowed form in words, where check knows more than the fields above
	check    func(string) (instead string, ok bool)

	Required   bool // in its block
	NoDefaults bool // may not stand in a defaults block
	RootOnly   bool // may stand in a defaults block only

	// at returns a pointer to the field of the spec, nil where its block is not
	// there. i counts repeated blocks.
	at func(s *Spec, i int) any
}

// Name is the last part of the path.
func (a *Attribute) Name() string { return a.Path[strings.LastIndexByte(a.Path, '.')+1:] }

// Block is the path without the name; empty for attributes of the app itself.
func (a *Attribute) Block() string { return ParentPath(a.Path) }

// Block is one kind of block inside an app.
type Block struct {
	Path       string
	Many       bool // may stand any number of times
	Named      bool // a name stands behind its word
	NoDefaults bool
	Doc        string
	// open makes the block in the spec, where its being there says something.
	open func(s *Spec, i int)
	// clear takes away the blocks of a kind of which there may be many.
	clear func(s *Spec)
}

// Name is the last part of the path.
func (b *Block) Name() string { return b.Path[strings.LastIndexByte(b.Path, '.')+1:] }

// ParentPath is the path of the block that a path is in; empty: the top.
func ParentPath(path string) string {
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return ""
	}
	return path[:i]
}

// Attributes is the table, in the order of the reference page. It is shared:
// change nothing in it.
func Attributes() []Attribute { return attributes }

// Blocks is the table of blocks, in the order of the reference page.
func Blocks() []Block { return blocks }

// Lookup is the table by path and by block, with that of the gate.
type Lookup struct {
	Attribute map[string]*Attribute
	Block     map[string]*Block
	Within    map[string][]string // names of attributes and blocks by the path of their block, sorted
}

// Table is the whole of it; it is shared as Attributes is.
var Table = sync.OnceValue(func() *Lookup {
	l := &Lookup{
		Attribute: make(map[string]*Attribute, len(attributes)),
		Block:     make(map[string]*Block, len(blocks)),
		Within:    make(map[string][]string),
	}
	for i := range attributes {
		a := &attributes[i]
		l.Attribute[a.Path] = a
		l.Within[a.Block()] = append(l.Within[a.Block()], a.Name())
	}
	for i := range blocks {
		b := &blocks[i]
		l.Block[b.Path] = b
		l.Within[ParentPath(b.Path)] = append(l.Within[ParentPath(b.Path)], b.Name())
	}
	for i := range gateAttributes {
		a := &gateAttributes[i]
		l.Attribute[a.Path] = a
		l.Within[a.Block()] = append(l.Within[a.Block()], a.Name())
	}
	for i := range gateBlocks {
		b := &gateBlocks[i]
		l.Block[b.Path] = b
		if p := ParentPath(b.Path); p != "" { // it stands beside the apps, not in one
			l.Within[p] = append(l.Within[p], b.Name())
		}
	}
	for _, names := range l.Within {
		sort.Strings(names)
	}
	return l
})

// JoinPath adds a name to the path of a block.
func JoinPath(block, name string) string {
	if block == "" {
		return name
	}
	return block + "." + name
}

// Field returns a pointer to the attribute's field in a spec, nil where its
// Block is not there. i counts repeated blocks.
func (a *Attribute) Field(s *Spec, i int) any {
	if a.at == nil {
		return nil
	}
	return a.at(s, i)
}

// Check tells whether a string has the form of the attribute, and what to write
// instead where it has not.
func (a *Attribute) Check(text string) (instead string, ok bool) {
	if a.check == nil {
		return "", true
	}
	return a.check(text)
}

// Written is how the attribute is written.
func (a *Attribute) Written() string {
	text := a.Example
	if text == "" {
		text = a.Default
	}
	if text == "" {
		text = "…"
	}
	return a.Name() + " = " + text
}

// WrittenAs is how the attribute is written with a value; with the example where
// there is none.
func (a *Attribute) WrittenAs(value string) string {
	if value == "" {
		return a.Written()
	}
	return a.Name() + " = " + value
}

// RangeText is the allowed range in words.
func (a *Attribute) RangeText(show func(float64) string) string {
	text := show(a.Min) + " … " + show(a.Max)
	if a.Zero && a.Min > 0 {
		text = show(0) + ", or " + text
	}
	return text
}

// Open makes a block in a spec, with its defaults, where its being there says
// something and it is not there yet. i counts repeated blocks.
func (b *Block) Open(s *Spec, i int) {
	if b.open == nil || b.Path == "django" && s.Django != nil || b.Path == "health" && s.Health != nil ||
		b.Path == "deploy" && s.Deploy != nil || b.Path == "database" && s.Database != nil ||
		b.Path == "process" && i < len(s.Processes) && s.Processes[i].StopSignal != "" || // merged with those below
		b.Path == "schedule" && i < len(s.Schedules) && s.Schedules[i].Timeout != 0 { // merged with those below

		return
	}
	b.open(s, i)
	fill(s, b.Path, i)
}

// Clear takes away what a spec has of a block that may stand any number of times:
// such blocks are a list, and a list of the app wins over that below it.
func (b *Block) Clear(s *Spec) {
	if b.clear != nil {
		b.clear(s)
	}
}

// staticField is an attribute of one static block.
func staticField(field func(*Static) any) func(*Spec, int) any {
	return func(s *Spec, i int) any {
		if i >= len(s.Static) {
			return nil
		}
		return field(&s.Static[i])
	}
}
