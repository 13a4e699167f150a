package hclspec

import "testing"

// Text from elsewhere that HCL would change is refused, not changed.
func TestTextThatHCLWouldChange(t *testing.T) {
	for text, want := range map[string]int{"": -1, "plain": -1, "caf\u00e9": -1, "cafe\u0301": 3, "日本": -1, "e\u0301": 0, "x\u212b": 1} {
		if got := decomposed([]byte(text)); got != want {
			t.Errorf("%+q: at %d, want %d", text, got, want)
		}
		if err := unchanged(text); (err != nil) != (want >= 0) {
			t.Errorf("%+q: %v", text, err)
		}
	}
}
