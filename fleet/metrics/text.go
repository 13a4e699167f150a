package metrics

import (
	"math"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// family is one metric with its series.
type family struct{ *dto.MetricFamily }

func gauge(name, help string) family {
	return newFamily(name, help, dto.MetricType_GAUGE)
}

func counter(name, help string) family {
	return newFamily(name, help, dto.MetricType_COUNTER)
}

func histogram(name, help string) family {
	return newFamily(name, help, dto.MetricType_HISTOGRAM)
}

func newFamily(name, help string, kind dto.MetricType) family {
	return family{&dto.MetricFamily{Name: &name, Help: &help, Type: &kind}}
}

// add appends a series; labels are name, value, name, value, …
func (f family) add(value float64, labels ...string) {
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
func (f family) addHistogram(bounds []float64, counts []uint64, sum float64, labels ...string) {
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

// writeTimeout is how long a client may take to read what is measured.
const writeTimeout = 10 * time.Second

// write answers with the families, in the form that the client asks for.
func write(w http.ResponseWriter, r *http.Request, all []family) {
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
