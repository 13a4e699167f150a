package apache

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// What a macro makes is what the real Apache makes of it: its tree is dumped, and has the
// same directives in the same order.
func TestMacrosMeanWhatApacheMakesOfThem(t *testing.T) {
	if testing.Short() {
		t.Skip("runs apache2")
	}
	program := peertest.Need(t, "apache2")
	rng := rand.New(rand.NewPCG(24, 1))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	var text strings.Builder
	text.WriteString("Define OUTER defined\n<Macro Fixed>\nSetEnv FIXED 1\n</Macro>\nUse fixed\nUSE FIXED\n" +
		"<Macro Outer $a $ab>\n# a comment of $a\nSetEnv ${OUTER} $a\\\n-$ab\n<Macro Inner $c>\nSetEnv IN \"$a$c\"\n</Macro>\nUse Inner $ab\nUse Inner \"two words\"\n</Macro>\nUse Outer one two\nUse Inner three\n" +
		"<Macro Host $name ${port} $p>\n<IfDefine $p>\nSetEnv DEFINED $name\n</IfDefine>\n<VirtualHost *:${port}>\nServerName $name\nSetEnv P \"$p ${port}0 $names\"\n</VirtualHost>\n</Macro>\nUse Host a.example 81 OUTER\nUse Host b.example 82 NONE\nUndefMacro Host\n" +
		"<Macro Host @x>\nSetEnv AGAIN '@x'\n</Macro>\nUse host \"a \\\"b\\\" c\"\n")
	for i := range 60 {
		params := []string{"$x", "$xy", "x", "%y", "$z", "@q"}[:1+rng.IntN(6)]
		fmt.Fprintf(&text, "<Macro M%d %s>\n", i, strings.Join(params, " "))
		for range 1 + rng.IntN(3) {
			value := ""
			for range 1 + rng.IntN(6) {
				value += pick("$x", "$xy", "$xyz", "x", "%y", "$z", "-", "a", "$", "${OUTER}")
			}
			fmt.Fprintf(&text, "SetEnv V%d \"%s\"\nSetEnv W%d %s\n", i, value, i, pick("@q", "'@q'"))
		}
		text.WriteString("</Macro>\n")
		args := make([]string, len(params))
		for n := range args {
			args[n] = pick("1", "$x", "x", "%y", `"b c"`, "$xy", "'d'", "e$z", "${OUTER}")
		}
		fmt.Fprintf(&text, "Use M%d %s\n", i, strings.Join(args, " "))
	}
	dir := t.TempDir()
	head := "ServerRoot " + dir + "\nPidFile " + dir + "/pid\nServerName localhost\nErrorLog " + dir + "/log\nListen 127.0.0.1:1\n"
	for _, module := range []string{"mpm_event", "authz_core", "env", "macro", "info"} {
		head += fmt.Sprintf("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n", module, module)
	}
	file := filepath.Join(dir, "httpd.conf")
	if err := os.WriteFile(file, []byte(head+text.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	dumped := peertest.RunPeer(t, dir, []string{"PATH=" + os.Getenv("PATH")}, program, "-f", file, "-D", "DUMP_CONFIG", "-t")
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\s*((?:SetEnv|ServerName) .*)$`).FindAllStringSubmatch(dumped, -1) {
		want = append(want, m[1])
	}
	c := &conf{o: facts.Options{LookupEnv: func(string) (string, bool) { return "", false }}, root: dir, defined: map[string]string{}}
	if err := c.read(file); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range c.all {
		if d.name == "setenv" || d.name == "servername" {
			got = append(got, d.was)
		}
	}
	if len(want) < 80 {
		t.Fatalf("Apache dumped %d directives:\n%s", len(want), dumped)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Apache +here):\n%s", diff)
	}
}
