package appspec

import (
	"bytes"
	"encoding/json"
)

// UnmarshalJSON keeps the numbers of the overrides as they were written
// (json.Number): an int stays an int on its way to django.json.
func (d *Django) UnmarshalJSON(b []byte) error {
	type plain Django
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	return dec.Decode((*plain)(d))
}
