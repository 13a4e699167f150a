package fleet

import (
	"math"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// metricFamily is one metric with its series.
type metricFamily struct{ *dto.MetricFamily }

func gaugeFamily(name, help string) metricFamily {
	return newMetricFamily(name, help, dto.MetricType_GAUGE)
}

func counterFamily(name, help string) metricFamily {
	return newMetricFamily(name, help, dto.MetricType_COUNTER)
}

func histogramFamily(name, help string) metricFamily {
	return newMetricFamily(name, help, dto.MetricType_HISTOGRAM)
}

func newMetricFamily(name, help string, kind dto.MetricType) metricFamily {
	return metricFamily{&dto.MetricFamily{Name: &name, Help: &help, Type: &kind}}
}

// add appends a series; labels are name, value, name, value, …
func (f metricFamily) add(value float64, labels ...string) {
	m := labelled(labels)
	if f.GetType() == dto.MetricType_COUNTER {
		m.Counter = &dto.Counter{Value: &value}
	} else {
		m.Gauge = &dto.Gauge{Value: &value}
	}
	f.Metric = append(f.Metric, m)
}

// addHistogram appends a series of cumulative counts up to each bound and of one more,
// which is all of them.
func (f metricFamily) addHistogram(bounds []float64, counts []uint64, sum float64, labels ...string) {
	h := &dto.Histogram{SampleCount: &counts[len(bounds)], SampleSum: &sum}
	for i, n := range counts {
		le := math.Inf(1)
		if i < len(bounds) {
			le = bounds[i]
		}
		h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: &le, CumulativeCount: &n})
	}
	m := labelled(labels)
	m.Histogram = h
	f.Metric = append(f.Metric, m)
}

func labelled(labels []string) *dto.Metric {
	m := &dto.Metric{}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Label = append(m.Label, &dto.LabelPair{Name: &labels[i], Value: &labels[i+1]})
	}
	return m
}

// writeMetrics answers with the families, in the form that the client asks for.
func writeMetrics(w http.ResponseWriter, r *http.Request, all []metricFamily) {
	form := expfmt.NegotiateAccept(r.Header, expfmt.DefaultAcceptedFormats()...)
	w.Header().Set("Content-Type", string(form))
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTimeout))
	enc := expfmt.NewEncoder(w, form)
	for _, f := range all {
		if len(f.Metric) == 0 {
			continue
		}
		if enc.Encode(f.MetricFamily) != nil {
			return // the client is gone
		}
	}
}
