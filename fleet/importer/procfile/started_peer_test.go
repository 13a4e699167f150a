package procfile

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/peertest"
)

// procfileProbe writes down as what foreman started it, under the port that it was given.
const procfileProbe = `#!/usr/bin/python3 -IS
import json, os, sys
with open(%q + "/out/" + os.environ["PORT"], "w") as f:
    json.dump({"Argv": sys.argv[1:]}, f)
`

// foremanStarts runs each line of the Procfile of this folder as foreman's start does,
// one after the other: start itself ends all of them when one has ended.
const foremanStarts = `
require "foreman/cli"
engine = Foreman::Engine::CLI.new({})
engine.load_env(".env")
engine.load_procfile("Procfile")
engine.instance_variable_get(:@processes).each do |process|
  out = File.open("/dev/null", "w")
  pid = process.run(:output => out, :env => {"PORT" => engine.send(:port_for, process, 1).to_s, "PS" => engine.instance_variable_get(:@names)[process] + ".1"})
  Process.wait(pid)
end
`

// What a line of a Procfile starts is what the real foreman starts by it: the words and
// the port, line by line, also of two lines of one name.
func TestProcfileStartsWhatForemanDoes(t *testing.T) {
	if testing.Short() {
		t.Skip("runs foreman")
	}
	if _, err := exec.LookPath("foreman"); err != nil {
		t.Skip("needs foreman: install ruby-foreman")
	}
	rng := rand.New(rand.NewPCG(20, 11))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	dir := peertest.WriteFiles(t, map[string]string{
		".env":  "APP=shop\nAPP_HOME=/srv/shop\nPORT=7000\nQUOTED='a b'\nDOLLAR='$APP'\nEMPTY=\n",
		"out/x": "", "src/x": "", "bin/x": "",
	})
	probe := filepath.Join(dir, "bin/probe")
	if err := os.WriteFile(probe, fmt.Appendf(nil, procfileProbe, dir), 0o755); err != nil {
		t.Fatal(err)
	}
	lines := []string{"gunicorn:app", "'$APP' $APP_HOME ${APP_HOME} $APPS", `"$QUOTED" $QUOTED '$PORT'`, "$PS $DOLLAR"}
	for range 100 {
		line := ""
		for range 1 + rng.IntN(5) {
			line += pick("a", "$APP", "${APP}", "$APP_HOME", "'$APP'", `"$APP x"`, "$QUOTED", `"$QUOTED"`, "${QUOTED}", "$PORT", "${PORT}", "$PS", "$DOLLAR", "${DOLLAR}", "$EMPTY", "${EMPTY:-d}", "x=$APP", `'b c'`, `\$APP`, "-w", "--k=$PORT", "é", "$NONE") +
				pick(" ", " ", "")
		}
		lines = append(lines, line)
	}
	text := ""
	for i, line := range lines {
		text += fmt.Sprintf("%s: %s%s %s\n", pick("worker", "queue", fmt.Sprintf("p%d", i)), pick("", "", "cd src && ", "A=1 ", "exec ", "A=$QUOTED "), probe, line)
	}
	text = "web: /bin/true gunicorn\n" + text + "web: gunicorn -b 127.0.0.1:$PORT shop:app\n"
	if err := os.WriteFile(filepath.Join(dir, "Procfile"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	peertest.RunPeer(t, dir, nil, "ruby", "-e", foremanStarts)

	apps, err := Read(facts.Options{}, filepath.Join(dir, "Procfile"))
	if err != nil {
		t.Fatal(err)
	}
	at, missed := 0, 0
	for _, f := range apps[0].Facts {
		if f.Set == facts.SetListen && f.Value != fmt.Sprintf("127.0.0.1:%d", 7000+100*(1+len(lines))) {
			t.Errorf("the last line listens on %s", f.Value)
		}
		if f.Set != facts.SetProcess || f.At.Line == 1 {
			continue
		}
		at++
		words := slices.Clone(f.List)
		for len(words) > 0 && (words[0] == "exec" || strings.HasPrefix(words[0], "A=")) {
			words = words[1:]
		}
		line := strings.Split(text, "\n")[f.At.Line-1]
		file, err := os.ReadFile(fmt.Sprintf("%s/out/%d", dir, 7000+100*(f.At.Line-1)))
		if err != nil { // what was filled in cut it: A=a b
			if missed++; words[0] == probe {
				t.Errorf("foreman does not start %s", line)
			}
			continue
		}
		var ran struct{ Argv []string }
		if err := json.Unmarshal(file, &ran); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(append([]string{probe}, ran.Argv...), words); diff != "" {
			t.Errorf("%s (-foreman +here):\n%s", line, diff)
		}
	}
	if at != len(lines) || missed > at/3 {
		t.Errorf("%d of %d lines were compared, %d do not start", at, len(lines), missed)
	}
}
