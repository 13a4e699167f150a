package metrics

import (
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

// The rules that the examples have for Prometheus ask for metrics that are served.
func TestAlertsAskForWhatIsServed(t *testing.T) {
	t.Parallel()
	door := App{Gate: &gate.Counts{}, Serves: true, Status: &runner.Status{}}
	fleet := Fleet{Apps: []App{{Name: "blog", Serves: true, Status: &runner.Status{Counters: &runner.Counters{}}}}, Gate: &door, Reconciles: &Reconciles{}, Now: time.Now()}
	served := map[string]bool{}
	for _, f := range fleet.families() {
		served[f.GetName()] = true
	}
	rules, err := os.ReadFile("../../examples/systemd/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	// findings/prometheus-increase-passes-over-a-gap.sh
	if regexp.MustCompile(`(increase|i?rate|delta)\(wsgid_schedule_`).Match(rules) {
		t.Error("what a schedule has missed while the machine was away is asked for by what passes over a gap")
	}
	asked := regexp.MustCompile(`\bwsgid_\w+`).FindAllString(string(rules), -1)
	if len(asked) < 9 {
		t.Errorf("it asks for %v alone", asked)
	}
	for _, name := range asked {
		if !served[name] {
			t.Errorf("%s is no metric", name)
		}
	}
}
