package fleettest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics is a scrape.
type Metrics map[string]*dto.MetricFamily

// ParseMetrics reads one by Prometheus's own parser.
func ParseMetrics(t *testing.T, text string) Metrics {
	t.Helper()
	p := expfmt.NewTextParser(model.LegacyValidation)
	fs, err := p.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("cannot parse the page: %v\n%s", err, text)
	}
	return fs
}

// Find is the series with these labels.
func (p Metrics) Find(name string, labels ...string) *dto.Metric {
	for _, m := range p[name].GetMetric() {
		has := 0
		for _, l := range m.GetLabel() {
			for i := 0; i+1 < len(labels); i += 2 {
				if l.GetName() == labels[i] && l.GetValue() == labels[i+1] {
					has++
				}
			}
		}
		if has == len(labels)/2 {
			return m
		}
	}
	return nil
}

// Value is its value; -1: there is none.
func (p Metrics) Value(name string, labels ...string) float64 {
	m := p.Find(name, labels...)
	switch {
	case m == nil:
		return -1
	case m.Counter != nil:
		return m.Counter.GetValue()
	case m.Gauge != nil:
		return m.Gauge.GetValue()
	}
	return -1
}

// Lint has the page checked by Prometheus's own linter, whose faults it returns.
func (p Metrics) Lint() ([]promlint.Problem, error) {
	return testutil.GatherAndLint(prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		out := slices.Collect(maps.Values(p))
		slices.SortFunc(out, func(a, b *dto.MetricFamily) int { return strings.Compare(a.GetName(), b.GetName()) })
		return out, nil
	}))
}
