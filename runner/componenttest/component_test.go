package componenttest

import "testing"

func TestSkipped(t *testing.T) {
	for list, want := range map[string]bool{
		"": false, "etcd": true, "nginx,etcd": true, "nginx, etcd": true, "nginx etcd": true, "etcd-newest": false, "netcd": false,
	} {
		if skipped(list, "etcd") != want {
			t.Errorf("%q: %v", list, !want)
		}
	}
}
