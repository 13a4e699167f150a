package appspec

import (
	"slices"
	"strconv"
	"strings"
)

// http compares the http blocks. Their order says nothing: blocks with the
// same address are compared attribute by attribute; of the others an old and a
// new one are taken as one block that moved, while there are both.
func (d *differ) http() {
	b, a := d.before.Sockets.written(), d.after.Sockets.written()
	const byGate = "its connections come by the gate"
	switch was, is := len(b) < len(d.before.Sockets.HTTP), len(a) < len(d.after.Sockets.HTTP); {
	case is && !was:
		d.add("gate", "", byGate, Replace)
	case was && !is:
		d.add("gate", byGate, "", Replace)
	case was && is:
		d.adopts(&d.before.Sockets.HTTP[len(b)], &d.after.Sockets.HTTP[len(a)])
	}
	gone, added := d.pair("sockets.http", len(b), len(a),
		func(i int) string { return b[i].Listen }, func(i int) string { return a[i].Listen }, "listen")
	for len(gone) > 0 && len(added) > 0 {
		d.block("sockets.http", "sockets.http", gone[0], added[0])
		gone, added = gone[1:], added[1:]
	}
	for _, i := range gone {
		d.whole("sockets.http", d.before, i, true)
	}
	for _, i := range added {
		d.whole("sockets.http", d.after, i, false)
	}
}

// adopts compares what the fleet has added to the sockets at which the gate hands
// connections over.
func (d *differ) adopts(before, after *HTTPSocket) {
	text := func(s *HTTPSocket) string {
		var parts []string
		for _, p := range s.Pairs {
			part := p.Cert
			if len(p.Hosts) > 0 {
				part += " for " + strings.Join(p.Hosts, " ")
			}
			if p.Listen != "" {
				part += " at " + p.Listen
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, ", ")
	}
	if slices.EqualFunc(before.Pairs, after.Pairs, func(x, y Pair) bool {
		return x.Cert == y.Cert && x.Key == y.Key && x.Listen == y.Listen && slices.Equal(x.Hosts, y.Hosts)
	}) {
		switch {
		case before.Default && !after.Default:
			d.add("gate.default", "the app for all other names", "", Live)
		case after.Default && !before.Default:
			d.add("gate.default", "", "the app for all other names", Live)
		case !slices.Equal(before.Foreign, after.Foreign):
			d.add("gate.names", "", "other apps have other names", Live)
		}
		return
	}
	d.add("gate.certificates", text(before), text(after), Live)
}

// mongrel2 compares the mongrel2 blocks in the same way, by their recv.
func (d *differ) mongrel2() {
	b, a := d.before.Sockets.Mongrel2, d.after.Sockets.Mongrel2
	gone, added := d.pair("sockets.mongrel2", len(b), len(a),
		func(i int) string { return b[i].Recv }, func(i int) string { return a[i].Recv }, "recv")
	for len(gone) > 0 && len(added) > 0 {
		d.block("sockets.mongrel2", "sockets.mongrel2", gone[0], added[0])
		gone, added = gone[1:], added[1:]
	}
	for _, i := range gone {
		d.whole("sockets.mongrel2", d.before, i, true)
	}
	for _, i := range added {
		d.whole("sockets.mongrel2", d.after, i, false)
	}
}

// static compares the static blocks in the same way, by their url. None of them is
// another that moved.
func (d *differ) static() {
	b, a := d.before.Static, d.after.Static
	gone, added := d.pair("static", len(b), len(a), func(i int) string { return b[i].URL }, func(i int) string { return a[i].URL }, "url")
	for _, i := range gone {
		d.whole("static", d.before, i, true)
	}
	for _, i := range added {
		d.whole("static", d.after, i, false)
	}
}

// pair compares the blocks that are in both specs and returns the others.
func (d *differ) pair(block string, before, after int, keyBefore, keyAfter func(int) string, key string) (gone, added []int) {
	old := make(map[string]int, before)
	for i := range before {
		old[keyBefore(i)] = i
	}
	for i := range after {
		k := keyAfter(i)
		j, ok := old[k]
		if !ok {
			added = append(added, i)
			continue
		}
		delete(old, k)
		shown := Quote(k)
		if path := block + "." + key; d.before.IsSensitive(IndexPath(path, j)) || d.after.IsSensitive(IndexPath(path, i)) {
			shown = SensitiveText
		}
		d.block(block, block+"["+shown+"]", j, i)
	}
	for i := range before {
		if j, ok := old[keyBefore(i)]; ok && j == i {
			gone = append(gone, i)
		}
	}
	return gone, added
}

// Block compares block i of the old spec with block j of the new one.
func (d *differ) block(block, shown string, i, j int) {
	table := attributes
	if block == "gate.http" {
		table = gateAttributes
	}
	for n := range table {
		a := &table[n]
		name, ok := strings.CutPrefix(a.Path, block+".")
		if !ok {
			continue
		}
		before, after := a.at(d.before, i), a.at(d.after, j)
		if FieldText(before) == FieldText(after) {
			continue
		}
		was := d.socketText(d.before, a, i, before)
		is := d.socketText(d.after, a, j, after)
		if was == SensitiveText || is == SensitiveText {
			was, is = hide(was), hide(is)
		}
		d.changes = append(d.changes, Change{Path: shown + "." + name, Old: was, New: is, Disruption: a.Disruption})
	}
}

// firstOf is the attribute that tells one block of a kind from another.
var firstOf = map[string]string{"sockets.http": "listen", "sockets.mongrel2": "recv", "static": "url", "backends": "region"}

// whole notes a block that is in one spec only.
func (d *differ) whole(block string, s *Spec, i int, gone bool) {
	var parts []string
	for n := range attributes {
		a := &attributes[n]
		name, ok := strings.CutPrefix(a.Path, block+".")
		if !ok {
			continue
		}
		field := a.at(s, i)
		if t := d.socketText(s, a, i, field); t != "" && (t == SensitiveText || FieldText(field) != a.Default) {
			parts = append(parts, name+" = "+t)
		}
	}
	c := Change{Path: block, Disruption: Table().Attribute[block+"."+firstOf[block]].Disruption}
	if text := "{ " + strings.Join(parts, ", ") + " }"; gone {
		c.Old = text
	} else {
		c.New = text
	}
	d.changes = append(d.changes, c)
}

// socketText writes an attribute of the socket block i of a spec.
func (d *differ) socketText(s *Spec, a *Attribute, i int, field any) string {
	text := FieldText(field)
	if text != "" && s.IsSensitive(IndexPath(a.Path, i)) {
		return SensitiveText
	}
	return text
}

// IndexPath is the path of an attribute of a repeated block in Sensitive and
// Ranges: "sockets.http[1].listen".
func IndexPath(path string, i int) string {
	for _, block := range [...]string{"sockets.http", "sockets.mongrel2", "static", "backends", "process", "schedule", "deploy.stage", "gate.http"} {
		if rest, ok := strings.CutPrefix(path, block); ok && (rest == "" || rest[0] == '.') {
			return block + "[" + strconv.Itoa(i) + "]" + rest
		}
	}
	return path
}

// written are the http sockets of a spec file, without the one that the fleet adds as
// the last.
func (s *Sockets) written() []HTTPSocket {
	if n := len(s.HTTP); n > 0 && s.HTTP[n-1].Adopts {
		return s.HTTP[:n-1]
	}
	return s.HTTP
}
