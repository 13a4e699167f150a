package appspec

import "fmt"

// Disruption is what carrying out a change costs an app, from the least to the
// most; the table of attributes says it for each.
type Disruption int

// The kinds of disruption.
const (
	Nothing Disruption = iota // no process is touched
	Live                      // the running master takes it over in place
	Rolling                   // new workers are ready before old ones leave
	Replace                   // a new master is ready before the old one drains
)

func (d Disruption) String() string {
	switch d {
	case Live:
		return "live"
	case Rolling:
		return "rolling"
	case Replace:
		return "replace"
	default:
		return "nothing"
	}
}

// MarshalText writes the word.
func (d Disruption) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the word.
func (d *Disruption) UnmarshalText(b []byte) error {
	for _, v := range []Disruption{Nothing, Live, Rolling, Replace} {
		if v.String() == string(b) {
			*d = v
			return nil
		}
	}
	return fmt.Errorf("cannot read disruption %q: it is none of nothing, live, rolling, replace", b)
}

// Change is one attribute that differs between two specs of an app. Old and
// New are HCL expressions as an operator would write them, "(sensitive)" for
// secrets, empty where the attribute is not set.
type Change struct {
	Path       string     `json:"path"`
	Old        string     `json:"old"`
	New        string     `json:"new"`
	Disruption Disruption `json:"disruption"`
}
