package etcd

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// metaOf is the generation of texts after another one, nil: the first.
func metaOf(old *Meta, texts cluster.Texts) *Meta {
	m := &Meta{Generation: 1, Stage: stageName(), Files: len(texts.Files), Digest: texts.Digest(), Texts: map[string]string{}}
	if old != nil {
		m.Generation = old.Generation + 1
	}
	for n, text := range texts.Files {
		m.Texts[n] = textDigest(text)
	}
	m.tellNews(old, texts)
	return m
}

// TestNews are what an edit of a few small files tells of itself.
func TestNews(t *testing.T) {
	t.Parallel()
	first := metaOf(nil, textsOf("a.hcl", "a", "b.hcl", "b", "gone.hcl", "x"))
	long := strings.Repeat("#", newsBytes)
	for _, c := range []struct {
		texts  cluster.Texts
		told   []string
		before string // what somebody has of a.hcl
		lacks  []string
	}{
		{textsOf("a.hcl", "other", "b.hcl", "b"), []string{"a.hcl"}, "a", nil},
		{textsOf("a.hcl", "other", "b.hcl", "b", "c.hcl", "new"), []string{"a.hcl", "c.hcl"}, "a", nil},
		{textsOf("a.hcl", "a", "b.hcl", "b"), nil, "older", []string{"a.hcl"}}, // it missed the generation before
		{textsOf("a.hcl", long, "b.hcl", "b"), nil, "a", []string{"a.hcl"}},
	} {
		m := metaOf(first, c.texts)
		if told := slices.Sorted(maps.Keys(m.News)); !slices.Equal(told, c.told) {
			t.Errorf("%v: told %v, want %v", c.texts.Names(), told, c.told)
		}
		u, lacks := m.update(map[string]string{"a.hcl": textDigest([]byte(c.before)), "b.hcl": textDigest([]byte("b"))})
		if !slices.Equal(lacks, c.lacks) || len(lacks) == 0 && len(u.Files)+len(u.Same) != len(c.texts.Files) {
			t.Errorf("%v: %d files and %v, lacks %v, want %v", c.texts.Names(), len(u.Files), u.Same, lacks, c.lacks)
		}
	}
	damaged := metaOf(first, textsOf("a.hcl", "other"))
	damaged.News["a.hcl"] = []byte("something else")
	if u, lacks := damaged.update(nil); len(u.Files) > 0 || len(lacks) != 1 {
		t.Errorf("news that are not what was pushed are taken: %v", u.Files)
	}
}

// TestASmallEditIsNotAskedFor: a host takes it from what the watch brings. Here its texts
// are nowhere else, so that a host that asked would not get them.
func TestASmallEditIsNotAskedFor(t *testing.T) {
	t.Parallel()
	a := join(t, []*etcdtest.Server{etcdtest.Start(t)}, "a", t.TempDir())
	first := textsOf("a.hcl", "one", "b.hcl", "stays")
	g := push(t, a.c, first)
	await.True(t, "a has the first texts", func() bool { now, _ := a.mirror.Current(); return now == g })
	want := textsOf("a.hcl", "two", "b.hcl", "stays")
	before := metaOf(nil, first)
	before.Generation = g
	text, err := json.Marshal(metaOf(before, want))
	if err != nil {
		t.Fatal(err)
	}
	cl, err := a.c.conn()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cl.Put(t.Context(), a.c.key("meta", "generation"), string(text)); err != nil {
		t.Fatal(err)
	}
	await.True(t, "a has the edit", func() bool { now, _ := a.mirror.Current(); return now == g+1 })
	if got, err := a.mirror.Texts(t.Context()); err != nil || got.Digest() != want.Digest() {
		t.Errorf("it has %v, %v", got, err)
	}
}
