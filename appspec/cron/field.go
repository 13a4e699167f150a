package cron

import (
	"fmt"
	"strconv"
	"strings"
)

// field is one of the five.
type field struct {
	name     string
	min, max int
	names    []string // of the values from min on
}

var fields = [...]field{
	{name: "minute", max: 59},
	{name: "hour", max: 23},
	{name: "day of month", min: 1, max: 31},
	{name: "month", min: 1, max: 12, names: []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
	{name: "day of week", max: 7, names: []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
}

func (f *field) fault(instead, format string, args ...any) error {
	return &Error{f.name + " " + fmt.Sprintf(format, args...), instead}
}

// last is the largest value that is not another name of a smaller one.
func (f *field) last() int {
	if f.max == 7 {
		return 6
	}
	return f.max
}

// read reads what stands in the field: values, ranges, steps, in a list.
func (f *field) read(text string) (uint64, error) {
	var set uint64
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, step, err := f.part(part)
		if err != nil {
			return 0, err
		}
		for v := lo; v <= hi; v += step {
			set |= 1 << v
		}
	}
	return set, nil
}

// part reads one element of the list.
func (f *field) part(text string) (lo, hi, step int, err error) {
	values, every, stepped := strings.Cut(text, "/")
	from, to, ranged := strings.Cut(values, "-")
	switch {
	case values == "*":
		lo, hi = f.min, f.last()
	case ranged:
		if lo, err = f.value(from); err == nil {
			hi, err = f.value(to)
		}
		if err == nil && hi == 0 && f.max == 7 && lo > 0 {
			hi = 7 // up to Sunday
		}
	default:
		lo, err = f.value(values)
		hi = lo
	}
	if err != nil {
		return 0, 0, 0, err
	}
	if lo > hi {
		return 0, 0, 0, f.fault("write both parts of it: "+f.span(lo, f.last())+","+f.span(f.min, hi), "runs backwards: %s", text)
	}
	if !stepped {
		return lo, hi, 1, nil
	}
	step, convErr := strconv.Atoi(every)
	switch {
	case convErr != nil || step < 1 || every[0] == '+':
		return 0, 0, 0, f.fault("write a whole number from 1 on behind the /, as in */5", "has no step in %s", text)
	case values != "*" && !ranged:
		return 0, 0, 0, f.fault(fmt.Sprintf("write %s/%d", f.span(lo, f.last()), step), "has a step without a range: %s", text)
	case step > hi-lo && hi > lo:
		return 0, 0, 0, f.fault(f.tooLong(lo, step), "has a step that is longer than its range: %s would come at %d alone", text, lo)
	}
	return lo, hi, step, nil
}

// tooLong is what to write instead of a step that leaves the field.
func (f *field) tooLong(lo, step int) string {
	switch {
	case f.max == 59 && step == 60:
		return fmt.Sprintf("write for every hour: %d * * * *", lo)
	case f.max == 59 && step%60 == 0 && step/60 < 24:
		return fmt.Sprintf("write for every %d hours: %d */%d * * *", step/60, lo, step/60)
	case f.max == 59:
		return fmt.Sprintf("minutes start again in each hour: write the times one by one, or for each hour: %d", lo)
	default:
		return fmt.Sprintf("write %d", lo)
	}
}

// span writes a range.
func (f *field) span(lo, hi int) string {
	if lo == hi {
		return strconv.Itoa(lo)
	}
	return strconv.Itoa(lo) + "-" + strconv.Itoa(hi)
}

// value reads a number or a name.
func (f *field) value(text string) (int, error) {
	for i, name := range f.names {
		if strings.EqualFold(name, text) {
			return f.min + i, nil
		}
	}
	allowed := fmt.Sprintf("write %d to %d", f.min, f.max)
	if f.names != nil {
		allowed += ", or " + f.names[0] + " to " + f.names[len(f.names)-1]
	}
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		return 0, f.fault(allowed, "lacks a value")
	case text == "?":
		return 0, f.fault("write * for any", "cannot be ?")
	case strings.ContainsAny(text, "#~"), strings.EqualFold(text, "L"), strings.EqualFold(text, "H"), strings.EqualFold(text, "W"), err != nil && text[0] >= '0' && text[0] <= '9':
		return 0, f.fault(allowed, "cannot be %s, which only some other schedulers support", text)
	case err != nil || text[0] == '+':
		for _, name := range f.names {
			if len(text) > 3 && strings.EqualFold(name, text[:3]) {
				return 0, f.fault("write "+name, "cannot be %s", text)
			}
		}
		return 0, f.fault(allowed, "cannot be %s", text)
	case n < f.min || n > f.max:
		return 0, f.fault(allowed, "cannot be %d", n)
	}
	return n, nil
}
