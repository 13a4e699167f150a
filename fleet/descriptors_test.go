package fleet

import "testing"

func TestFewDescriptors(t *testing.T) {
	for _, tt := range []struct {
		limit uint64
		apps  int
		want  string
	}{
		{1024, 50, ""},
		{264, 50, ""},
		{64, 0, ""},
		{63, 50, "the daemon may have 63 files open, and 50 apps need about 264: some will not start, and edits will not be carried out; give it more: LimitNOFILE=65536 in its unit, or ulimit -n"},
		{1024, 300, "the daemon may have 1024 files open, and 300 apps need about 1264: some will not start, and edits will not be carried out; give it more: LimitNOFILE=65536 in its unit, or ulimit -n"},
	} {
		if got := fewDescriptors(tt.limit, tt.apps); got != tt.want {
			t.Errorf("%d for %d apps: %q", tt.limit, tt.apps, got)
		}
	}
}
