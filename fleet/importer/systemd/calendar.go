package systemd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
)

// calendarWords are what systemd.time(7) has words for.
var calendarWords = map[string]string{
	"minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "monthly": "*-*-01 00:00:00", "weekly": "Mon *-*-* 00:00:00",
	"yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00", "anually": "*-01-01 00:00:00", "quarterly": "*-01,04,07,10-01 00:00:00",
	"semiannually": "*-01,07-01 00:00:00", "semi-annually": "*-01,07-01 00:00:00", "biannually": "*-01,07-01 00:00:00", "bi-annually": "*-01,07-01 00:00:00",
}

var weekdays = []string{"monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"}

// calendarCron is an OnCalendar= of systemd as a line of crontab, with its time zone;
// or why crontab cannot say so.
func calendarCron(text string) (line, zone string, err error) {
	words := strings.Fields(text)
	if n := len(words); n > 1 && isZone(words[n-1]) {
		zone, words = words[n-1], words[:n-1]
	}
	if len(words) == 1 {
		if long := calendarWords[strings.ToLower(words[0])]; long != "" {
			words = strings.Fields(long)
		}
	}
	days, date, clock := "*", "*-*-*", "00:00:00"
	if len(words) > 0 && strings.IndexFunc(words[0], isLetter) == 0 {
		if days, err = calendarDays(words[0]); err != nil {
			return "", "", err
		}
		words = words[1:]
	}
	if len(words) > 0 && strings.ContainsAny(words[0], "-~") {
		date, words = words[0], words[1:]
	}
	if len(words) > 0 && strings.Contains(words[0], ":") {
		clock, words = words[0], words[1:]
	}
	if len(words) > 0 || text == "" {
		return "", "", errors.New("it is not a time that is understood here")
	}
	if strings.Contains(date, "~") {
		return "", "", errors.New("it counts days from the end of a month, which crontab cannot")
	}
	parts := strings.Split(date, "-")
	if len(parts) == 3 {
		if parts[0] != "*" {
			return "", "", errors.New("it names a year, which crontab has not")
		}
		parts = parts[1:]
	}
	times := strings.Split(clock, ":")
	if len(times) == 3 {
		if seconds, err := calendarField(times[2], 0, 59); err != nil || seconds != "0" {
			return "", "", errors.New("it names seconds, which crontab has not")
		}
		times = times[:2]
	}
	if len(parts) != 2 || len(times) != 2 {
		return "", "", errors.New("it is not a time that is understood here")
	}
	fields := make([]string, 0, 5)
	for _, f := range []struct {
		text     string
		min, max int
	}{{times[1], 0, 59}, {times[0], 0, 23}, {parts[1], 1, 31}, {parts[0], 1, 12}} {
		field, err := calendarField(f.text, f.min, f.max)
		if err != nil {
			return "", "", err
		}
		fields = append(fields, field)
	}
	if days != "*" && fields[2] != "*" {
		return "", "", errors.New("it wants a day of the week and a day of the month at once, where crontab takes either")
	}
	line = strings.Join(append(fields, days), " ")
	if _, err := cron.Parse(line); err != nil {
		return "", "", fmt.Errorf("as a crontab line it is %s, where %w", line, err)
	}
	return line, zone, nil
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

func isZone(word string) bool {
	if word != "UTC" && !strings.Contains(word, "/") || strings.IndexFunc(word, isLetter) != 0 {
		return false
	}
	_, err := cron.Zone(word)
	return err == nil
}

// calendarField is one field: 1,5 and 1..5 and 0/15 and 10..50/20.
func calendarField(text string, first, last int) (string, error) {
	if text == "*" {
		return "*", nil
	}
	bad := errors.New("it is not a time that is understood here")
	number := func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n >= first && n <= last && len(s) <= 2
	}
	var out []string
	for one := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(one, "/")
		from, to, ranged := strings.Cut(span, "..")
		a, ok := number(from)
		if !ok {
			return "", bad
		}
		b := a
		if ranged {
			if b, ok = number(to); !ok || b < a {
				return "", bad
			}
		}
		if !stepped {
			if b > a {
				out = append(out, fmt.Sprintf("%d-%d", a, b))
			} else {
				out = append(out, strconv.Itoa(a))
			}
			continue
		}
		n, err := strconv.Atoi(step)
		if err != nil || n <= 0 {
			return "", bad
		}
		if !ranged {
			if b = last; a+n > b { // as systemd has it: the timer never came
				return "", errors.New("it has a step that leaves its field, which systemd does not take")
			}
		}
		switch {
		case a+n > b:
			out = append(out, strconv.Itoa(a))
		case n == 1:
			out = append(out, fmt.Sprintf("%d-%d", a, b))
		default:
			out = append(out, fmt.Sprintf("%d-%d/%d", a, b, n))
		}
	}
	return strings.Join(out, ","), nil
}

// calendarDays are days of the week, whose first is Monday: Mon..Fri, Sat,Sun.
func calendarDays(text string) (string, error) {
	day := func(s string) int {
		return 1 + slices.IndexFunc(weekdays, func(name string) bool { return strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) })
	}
	var out []string
	for one := range strings.SplitSeq(strings.TrimSuffix(text, ","), ",") {
		from, to, ranged := strings.Cut(one, "..")
		if !ranged {
			from, to, ranged = strings.Cut(one, "-")
		}
		a, b := day(from), day(to)
		switch {
		case a == 0, ranged && b < a:
			return "", errors.New("it is not a time that is understood here")
		case ranged && b > a:
			out = append(out, fmt.Sprintf("%d-%d", a, b))
		default:
			out = append(out, strconv.Itoa(a))
		}
	}
	return strings.Join(out, ","), nil
}
