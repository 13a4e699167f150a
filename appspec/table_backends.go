package appspec

// The rows of backends, by which a fleet of many machines places an app. On one machine
// alone they say nothing.

// Backend asks for hosts of a region.
type Backend struct {
	Region string `json:"region"` // empty: any
	Count  int    `json:"count"`
}

// backendField is an attribute of one backends block.
func backendField[T any](field func(*Backend) *T) func(*Spec, int) any {
	return func(s *Spec, i int) any {
		if i >= len(s.Backends) {
			return nil
		}
		return field(&s.Backends[i])
	}
}

var backendAttributes = []Attribute{
	{Path: "backends.region", Type: TypeString, Default: `""`, Example: `"eu1"`,
		Form: "letters, digits, `.`, `_` and `-`", check: checkRegion,
		Doc: "the region, as `run --region` of a host names it; default: any",
		at:  backendField(func(b *Backend) *string { return &b.Region })},
	{Path: "backends.count", Type: TypeInt, Default: "1", Min: 1, Max: 1000,
		Doc: "how many hosts of it run the app; all of them where they are fewer",
		at:  backendField(func(b *Backend) *int { return &b.Count })},
}

var backendBlocks = []Block{
	{Path: "backends", Many: true,
		Doc:   "which hosts of a fleet of many machines run the app: see `run --source`; without it every host does. A daemon that reads a directory runs all apps",
		open:  func(s *Spec, _ int) { s.Backends = append(s.Backends, Backend{Count: 1}) },
		clear: func(s *Spec) { s.Backends = nil }},
}

// checkRegion takes what a host may name as its region.
func checkRegion(s string) (string, bool) {
	for _, r := range s {
		if !plainName(r) {
			return "a region has letters, digits, ., _ and - alone", false
		}
	}
	return "", true
}

func plainName(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
}

// ValidRegion tells whether a host may name that as its region.
func ValidRegion(s string) bool { _, ok := checkRegion(s); return ok }

// backends compares the backends blocks, by their region.
func (d *differ) backends() {
	b, a := d.before.Backends, d.after.Backends
	gone, added := d.pair("backends", len(b), len(a), func(i int) string { return b[i].Region }, func(i int) string { return a[i].Region }, "region")
	for _, i := range gone {
		d.whole("backends", d.before, i, true)
	}
	for _, i := range added {
		d.whole("backends", d.after, i, false)
	}
}
