package hclspec

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
)

func (c *converter) number(v cty.Value) {
	if v.Type() != cty.Number {
		instead := "write: " + c.attr.Written()
		if v.Type() == cty.String && !c.hidden {
			if _, err := strconv.ParseFloat(v.AsString(), 64); err == nil {
				instead = "leave out the quotes: " + c.attr.Name() + " = " + v.AsString()
			} else if share, ok := cpuShare(v.AsString()); ok && c.attr.Path == "limits.cpu" {
				instead = "it is a number of cores: cpu = " + share
			}
		}
		c.wrongType(v, instead)
		return
	}
	exact := reckoned(v)
	f, _ := exact.Float64()
	if c.attr.Type == appspec.TypeInt && !exact.IsInt() {
		c.fault(c.expr.Range(), c.attr.Name()+" is a whole number, not "+c.shown(numberText(v)), "write: "+c.attr.WrittenAs(c.wholeNear(f)))
		return
	}
	if !c.inRange(f, func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }, numberText(v)) {
		return
	}
	if c.attr.Type == appspec.TypeInt {
		c.setting.value = int(f)
	} else {
		c.setting.value = f
	}
}

// inRange checks a value against Min, Max and Zero.
func (c *converter) inRange(f float64, show func(float64) string, shown string) bool {
	a := c.attr
	if f == 0 && a.Zero || a.Min == 0 && a.Max == 0 || f >= a.Min && f <= a.Max {
		return true
	}
	c.fault(c.expr.Range(), a.Name()+" cannot be "+c.shown(shown), "write "+a.RangeText(show))
	return false
}

// tooLarge tells whether a number is beyond what JSON's readers take.
func tooLarge(v cty.Value) bool {
	f := v.AsBigFloat()
	return f.IsInf() || f.MantExp(nil) > 1024
}

// numberText writes a number so that it reads back the same, as short as can
// be; whole numbers without a point.
func numberText(v cty.Value) string {
	f := reckoned(v)
	if f.IsInt() && f.MantExp(nil) < 256 {
		return f.Text('f', 0)
	}
	if short, back := shortest(f); back != nil && back.Cmp(f) == 0 {
		return short
	}
	return f.Text('g', -1)
}

// reckoned is the number that somebody who reckons in decimals gets. HCL's (v2.25.0) are
// binary ones of 512 bits, so that 0.507 * 1000 is less than 507 by the last of them.
func reckoned(v cty.Value) *big.Float {
	f := v.AsBigFloat()
	if f.IsInt() {
		return f
	}
	_, back := shortest(f)
	if back == nil {
		return f
	}
	const bits = 400 // of 512: some calculations, and no difference that anybody has written
	off := new(big.Float).Sub(f, back)
	if off.Sign() == 0 || off.MantExp(nil) < f.MantExp(nil)-bits {
		return back
	}
	return f
}

// shortest is the shortest decimal of a number's first 53 bits, as text and as HCL reads it;
// nil: there is none.
func shortest(f *big.Float) (string, *big.Float) {
	d, _ := f.Float64()
	text := strconv.FormatFloat(d, 'g', -1, 64)
	back, _, err := big.ParseFloat(text, 10, 512, big.ToNearestEven)
	if err != nil || back.IsInf() {
		return text, nil
	}
	return text, back
}

// cpuShare is a share of processors as kubernetes ("500m") and systemd ("50%")
// write it, in cores.
func cpuShare(s string) (cores string, ok bool) {
	per := 1000.0
	text, isMilli := strings.CutSuffix(strings.TrimSpace(s), "m")
	if !isMilli {
		if text, ok = strings.CutSuffix(strings.TrimSpace(s), "%"); !ok {
			return "", false
		}
		per = 100
	}
	n, err := strconv.ParseFloat(text, 64)
	return strconv.FormatFloat(n/per, 'f', -1, 64), err == nil
}

// wholeNear is the next whole number that is allowed, empty where the value may not be shown.
func (c *converter) wholeNear(f float64) string {
	if c.hidden || math.Abs(f) > 1<<53 {
		return ""
	}
	whole := math.Ceil(f)
	if c.attr.Max > 0 {
		whole = math.Max(c.attr.Min, math.Min(whole, c.attr.Max))
	}
	return strconv.FormatFloat(whole, 'f', -1, 64)
}
