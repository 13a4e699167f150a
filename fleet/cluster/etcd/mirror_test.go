package etcd

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// TestAFileThatTheMirrorLostIsReadAgain: where a file that stays is not in the mirror any
// more, an edit of another one brings it back.
func TestAFileThatTheMirrorLostIsReadAgain(t *testing.T) {
	t.Parallel()
	a := join(t, []*etcdtest.Server{etcdtest.Start(t)}, "a", t.TempDir())
	for i, lost := range []string{"", "b.hcl"} {
		want := textsOf("a.hcl", fmt.Sprint("edit ", i), "b.hcl", "stays")
		if lost != "" {
			if err := os.Remove(filepath.Join(a.Specs(), lost)); err != nil {
				t.Fatal(err)
			}
		}
		g := push(t, a.c, want)
		await.True(t, "a has the texts", func() bool { now, _ := a.mirror.Current(); return now == g })
		if got, err := a.mirror.Texts(t.Context()); err != nil || got.Digest() != want.Digest() {
			t.Fatalf("%q was lost: it has %+v, %v", lost, got, err)
		}
	}
}
