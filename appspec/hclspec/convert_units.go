package hclspec

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func showDuration(f float64) string { return appspec.Quote(appspec.DurationText(time.Duration(f))) }

func showSize(f float64) string { return appspec.Quote(appspec.Size(f).String()) }

func (c *converter) duration(v cty.Value) {
	name := c.attr.Name()
	switch v.Type() {
	case cty.String:
	case cty.Number:
		instead := "give the unit, in quotes: " + c.attr.Written()
		if !c.hidden {
			instead = "give the unit, in quotes: " + name + " = " + appspec.Quote(numberText(v)+"s")
		}
		c.wrongType(v, instead)
		return
	default:
		c.wrongType(v, "write: "+c.attr.Written())
		return
	}
	s := v.AsString()
	d, err := time.ParseDuration(s)
	if err != nil {
		c.fault(c.expr.Range(), name+" cannot be "+c.shown(appspec.Quote(s))+": it is not a duration", "write "+durationAdvice(s, c.hidden))
		return
	}
	if c.inRange(float64(d), showDuration, appspec.Quote(s)) {
		c.setting.value = appspec.Duration(d)
	}
}

// durationAdvice guesses the duration that was meant.
func durationAdvice(s string, hidden bool) string {
	const form = `numbers with units, such as "500ms", "90s", "1m30s", "2h"`
	if hidden {
		return form
	}
	number := strings.TrimRight(s, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return form
	}
	switch strings.ToLower(strings.TrimSpace(s[len(number):])) {
	case "", "s", "sec", "secs", "second", "seconds":
		return appspec.Quote(number + "s")
	case "m", "min", "mins", "minute", "minutes":
		return appspec.Quote(number + "m")
	case "h", "hour", "hours", "hr", "hrs":
		return appspec.Quote(number + "h")
	case "ms", "msec", "millis", "milliseconds":
		return appspec.Quote(number + "ms")
	case "d", "day", "days":
		if n, err := strconv.ParseFloat(number, 64); err == nil && n > 0 && n < 1e6 {
			return appspec.Quote(strconv.FormatFloat(n*24, 'f', -1, 64)+"h") + ": the largest unit is the hour"
		}
	}
	return form
}

func (c *converter) size(v cty.Value) {
	name := c.attr.Name()
	var size appspec.Size
	var shown string
	switch v.Type() {
	case cty.Number:
		shown = numberText(v)
		n, accuracy := reckoned(v).Int64()
		if accuracy != big.Exact {
			c.fault(c.expr.Range(), name+" cannot be "+c.shown(shown)+": it is not a whole number of bytes", "write: "+c.attr.Written())
			return
		}
		size = appspec.Size(n)
	case cty.String:
		shown = appspec.Quote(v.AsString())
		n, err := appspec.ParseSize(v.AsString())
		if err != nil {
			c.fault(c.expr.Range(), name+" cannot be "+c.shown(shown)+": it is not a size", "write "+sizeAdvice(v.AsString(), c.hidden))
			return
		}
		size = n
	default:
		c.wrongType(v, "write: "+c.attr.Written())
		return
	}
	if c.inRange(float64(size), showSize, shown) {
		c.setting.value = size
	}
}

// sizeAdvice guesses the size that was meant.
func sizeAdvice(s string, hidden bool) string {
	const form = `a number with a unit, such as "512MiB", "1GB", "64KiB"`
	if hidden {
		return form
	}
	number := strings.TrimRight(s, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return form
	}
	unit, ok := map[string]string{
		"k": "KiB", "kb": "kB", "kib": "KiB", "m": "MiB", "mb": "MB", "mib": "MiB", "g": "GiB", "gb": "GB", "gib": "GiB",
		"ki": "KiB", "mi": "MiB", "gi": "GiB", "ti": "TiB", // as kubernetes writes them
		"t": "TiB", "tb": "TB", "tib": "TiB", "b": "B", "bytes": "B",
	}[strings.ToLower(strings.TrimSpace(s[len(number):]))]
	if !ok {
		return form
	}
	return appspec.Quote(number + unit)
}

func (c *converter) mode(v cty.Value) {
	form := `octal digits in quotes, such as "0660"`
	if c.attr.Default != "" {
		form = "octal digits in quotes, such as " + c.attr.Default
	}
	if v.Type() != cty.String {
		instead := "write " + form
		if v.Type() == cty.Number && !c.hidden {
			if t := numberText(v); len(t) <= 4 && strings.Trim(t, "01234567") == "" {
				instead = "put it in quotes: " + c.attr.Name() + " = " + appspec.Quote(fmt.Sprintf("%04s", t))
			}
		}
		c.wrongType(v, instead)
		return
	}
	s := v.AsString()
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		c.fault(c.expr.Range(), c.attr.Name()+" cannot be "+c.shown(appspec.Quote(s)), "write "+form)
		return
	}
	c.setting.value = uint32(n)
}
