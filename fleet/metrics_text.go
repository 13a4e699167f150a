package fleet

import (
	"math"
	"strconv"
	"strings"
)

// metricsType is the Content-Type of the text format of Prometheus.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metricFamily is one metric with its series. It is written by hand: the client
// library, which the tests check the result with, would cost every master 0.4 MB
// of private memory, as masters are the same program and run the same
// initialisation.
type metricFamily struct {
	name, help string
	kind       string // counter, gauge or histogram
	series     []metricSeries
}

// metricSeries is one value, or one histogram, with its labels.
type metricSeries struct {
	labels []string // name, value, name, value …
	value  float64
	hist   *metricHistogram // instead of value
}

// metricHistogram is cumulative counts up to each bound, and all of them.
type metricHistogram struct {
	bounds []float64
	counts []uint64 // one more than bounds
	sum    float64
}

// add appends a series of the family.
func (f *metricFamily) add(value float64, labels ...string) {
	f.series = append(f.series, metricSeries{labels: labels, value: value})
}

// appendTo writes the family in Prometheus's text format. One without a series
// is left out.
func (f *metricFamily) appendTo(dst []byte) []byte {
	if len(f.series) == 0 {
		return dst
	}
	dst = append(append(append(append(dst, "# HELP "...), f.name...), ' '), escapeHelp.Replace(f.help)...)
	dst = append(append(append(append(dst, "\n# TYPE "...), f.name...), ' '), f.kind...)
	dst = append(dst, '\n')
	for i := range f.series {
		s := &f.series[i]
		if s.hist == nil {
			dst = appendSample(dst, f.name, s.labels, "", s.value)
			continue
		}
		var total uint64
		for i, n := range s.hist.counts {
			le := math.Inf(1)
			if i < len(s.hist.bounds) {
				le = s.hist.bounds[i]
			}
			total = n
			dst = appendSample(dst, f.name+"_bucket", s.labels, formatValue(le), float64(n))
		}
		dst = appendSample(dst, f.name+"_sum", s.labels, "", s.hist.sum)
		dst = appendSample(dst, f.name+"_count", s.labels, "", float64(total))
	}
	return dst
}

func appendSample(dst []byte, name string, labels []string, le string, value float64) []byte {
	dst = append(dst, name...)
	sep := byte('{')
	for i := 0; i+1 < len(labels); i += 2 {
		dst = append(append(append(dst, sep), labels[i]...), `="`...)
		dst = append(append(dst, escapeLabel.Replace(labels[i+1])...), '"')
		sep = ','
	}
	if le != "" {
		dst = append(append(append(append(dst, sep), `le="`...), le...), '"')
		sep = ','
	}
	if sep == ',' {
		dst = append(dst, '}')
	}
	return append(append(append(dst, ' '), formatValue(value)...), '\n')
}

func formatValue(v float64) string {
	switch {
	case math.IsInf(v, 1):
		return "+Inf"
	case v == math.Trunc(v) && math.Abs(v) < 1e15:
		return strconv.FormatInt(int64(v), 10)
	default:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
