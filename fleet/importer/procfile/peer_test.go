package procfile

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// A .env means here what foreman gives to a process by it, and the names of a Procfile
// are those that foreman finds.
func TestProcfileMeansWhatForemanDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs foreman")
	}
	if _, err := exec.LookPath("foreman"); err != nil {
		t.Skip("needs foreman: install ruby-foreman")
	}
	env := `PLAIN=one
SINGLE='$HOME and ${HOME}'
DOUBLE="$PLAIN\nnext"
OPEN="open
MIXED='a"
INNER=a"b"c
HASH=five # note
EMPTY=
QUOTED=""
EQUALS=a=b=c
BACK="a\tb\\c \"d\""
# COMMENT=1
export EXPORTED=1
SPACED = 1
 LEAD=1
TRAIL=x  
PLAIN=two
OUTER=inner
9DIGIT=1
bad-name=1
`
	names := strings.Fields("PLAIN SINGLE DOUBLE OPEN MIXED INNER HASH EMPTY QUOTED EQUALS BACK COMMENT EXPORTED SPACED LEAD TRAIL OUTER 9DIGIT")
	rng := rand.New(rand.NewPCG(20, 4))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	for i := range 200 {
		name, value := fmt.Sprintf("V%d", i), ""
		for range rng.IntN(5) {
			value += pick("a", "x y", "'", `"`, `\n`, `\`, "$PLAIN", "${PLAIN}", "#", " ", "=", "é", `\"`)
		}
		if q := pick("", "", "'", `"`); q != "" {
			value = q + value + q
		}
		env += name + "=" + value + "\n"
		names = append(names, name)
	}
	dir := peertest.WriteFiles(t, map[string]string{".env": env, "Procfile": "web: true\nweb: second\nwork.er: dotted\n# no: comment\nx-1:   spaced\n bad: lead\nno colon\nu_2:tight\nempty:\n"})

	out := peertest.RunPeer(t, dir, []string{"OUTER=outer", "LANG=C.UTF-8"}, "foreman", "run", "env", "-0")
	want := map[string]string{}
	for one := range strings.SplitSeq(out, "\x00") {
		name, value, _ := strings.Cut(one, "=")
		want[name] = value
	}
	got, _, _, err := dotEnv(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for _, name := range names {
		w, wok := want[name]
		g, gok := got[name]
		if w != g || wok != gok {
			differ++
			t.Errorf("%s: foreman has %q (%v), here it is %q (%v)", name, w, wok, g, gok)
		}
	}
	if len(want) < 100 {
		t.Errorf("foreman ran with %d variables", len(want))
	}

	var found []string
	text, err := facts.ReadFile(filepath.Join(dir, "Procfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if m := procLine().FindStringSubmatch(line); m != nil {
			found = append(found, m[1])
		}
	}
	check := peertest.RunPeer(t, dir, nil, "foreman", "check")
	if diff := cmp.Diff(strings.TrimSpace(check), "valid procfile detected ("+strings.Join(found, ", ")+")"); diff != "" {
		t.Errorf("(-foreman +here):\n%s", diff)
	}
}
