package metrics

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/fleettest"
	"github.com/wsgid-fleet/wsgid-fleet/runner"
	"github.com/wsgid-fleet/wsgid-fleet/runner/gate"
)

func TestMetricsOfTheGateAndOfStaticFiles(t *testing.T) {
	t.Parallel()
	door := App{Name: appspec.GateName, Serves: true,
		Gate: &gate.Counts{Accepted: 9, Routed: 5, Rescued: 2, HandedBack: 1,
			Refused: map[string]uint64{"unknown_name": 3}, Reading: 4, Waiting: 6, Apps: map[string]uint64{"blog": 5}},
		Status: &runner.Status{State: runner.StateReady, RSS: 4096},
	}
	blog := App{Name: "blog", Serves: true, Status: &runner.Status{State: runner.StateReady,
		Counters: &runner.Counters{Codes: map[int]uint64{200: 1}, Static: map[int]uint64{200: 7, 304: 2}, StaticBytes: 1234}},
	}
	w := httptest.NewRecorder()
	write(w, httptest.NewRequest(http.MethodGet, "/metrics", nil), append(gateFamilies(&door), appFamilies([]App{blog}, time.Now())...))
	text := w.Body.String()
	p := fleettest.ParseMetrics(t, text)

	// A server of Prometheus may ask for its binary form.
	asks := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	asks.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.2")
	binary := httptest.NewRecorder()
	write(binary, asks, gateFamilies(&door))
	var up dto.MetricFamily
	if err := expfmt.NewDecoder(binary.Body, expfmt.ResponseFormat(binary.Header())).Decode(&up); err != nil || up.GetName() != "wsgid_gate_up" {
		t.Errorf("the binary form: %v, %v", &up, err)
	}

	for _, want := range []struct {
		name   string
		labels []string
		value  float64
	}{
		{"wsgid_gate_up", nil, 1},
		{"wsgid_gate_accepted_total", nil, 9},
		{"wsgid_gate_routed_total", []string{"app", "blog"}, 5},
		{"wsgid_gate_rescued_total", nil, 2},
		{"wsgid_gate_handed_back_total", nil, 1},
		{"wsgid_gate_refused_total", []string{"reason", "unknown_name"}, 3},
		{"wsgid_gate_unrouted_connections", nil, 4},
		{"wsgid_gate_waiting_connections", nil, 6},
		{"wsgid_gate_memory_bytes", nil, 4096},
		{"wsgid_app_static_requests_total", []string{"app", "blog", "code", "200"}, 7},
		{"wsgid_app_static_requests_total", []string{"app", "blog", "code", "304"}, 2},
		{"wsgid_app_static_bytes_total", []string{"app", "blog"}, 1234},
	} {
		if v := p.Value(want.name, want.labels...); v != want.value {
			t.Errorf("%s %v is %v, want %v\n%s", want.name, want.labels, v, want.value, text)
		}
	}
	if faults, err := p.Lint(); err != nil || len(faults) > 0 {
		t.Errorf("the linter says %v, %v", faults, err)
	}
}
