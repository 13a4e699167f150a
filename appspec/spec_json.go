package appspec

import (
	"bytes"
	"encoding/json"
)

// UnmarshalJSON begins with the defaults of the table, so that what an earlier
// version wrote, which does not know the newest attributes, means what it did. A
// spec that holds something already keeps what the JSON does not name.
func (s *Spec) UnmarshalJSON(b []byte) error {
	type plain Spec
	if s.Restart == (Restart{}) { // nobody has filled it
		*s = blank()
	}
	return json.Unmarshal(b, (*plain)(s))
}

// UnmarshalJSON keeps the numbers of the overrides as they were written
// (json.Number): an int stays an int on its way to django.json.
func (d *Django) UnmarshalJSON(b []byte) error {
	type plain Django
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode((*plain)(d))
}
