package appspec

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Digest names what a spec says, secrets included: equal digests, equal specs.
// Where the spec was written does not count.
func Digest(spec *Spec) string {
	s := *spec
	s.File, s.Environment = "", ""
	b, err := json.Marshal(&s)
	if err != nil {
		return "unknown"
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
