package uwsgi

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec/cron"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/importer/facts"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/shellwords"
)

// crons are the jobs by the clock. uWSGI has no limit for them, and runs one beside
// another but where it is told not to.
func (u *reader) crons() {
	for i, o := range u.all["cron"] {
		expression, command := "", ""
		more := map[string]string{"overlap": "true", "timeout": "168h"}
		switch o.key {
		case "cron":
			expression, command = cronOf(o.value)
		case "unique-cron":
			expression, command = cronOf(o.value)
			delete(more, "overlap")
		case "cron2":
			expression, command = cron2Of(o.value, more)
		}
		if expression == "" || command == "" {
			u.lose(o, "write a job by the clock as a schedule of the app, or of cron: "+o.value)
			continue
		}
		if _, err := cron.Parse(expression); err != nil {
			u.lose(o, fmt.Sprintf("as a crontab line this is %s, where %v", expression, err))
			continue
		}
		u.app.Add(facts.Fact{Set: facts.SetSchedule, Key: facts.CommandName(command, i), Value: expression, List: cronCommand(command), More: more, Was: was(o), At: o.at})
		if differs := facts.Nights("uWSGI", expression, "", time.Now(), facts.EachOnTheWall); differs != "" {
			u.app.Note(o.at, was(o), differs)
		}
	}
}

// cronCommand is the command of a job, which uWSGI hands to a shell; without one where
// that says the same.
func cronCommand(command string) []string {
	if strings.ContainsAny(command, "|&;<>()$`\\*?[]#~{}=\n") {
		return []string{"sh", "-c", command}
	}
	return shellwords.Shell(command)
}

// cronOf is uWSGI's cron as cron has it.
func cronOf(text string) (expression, command string) {
	words := strings.Fields(text)
	if len(words) < 6 {
		return "", text
	}
	command = text
	for range 5 {
		command = strings.TrimLeft(command, " \t")
		command = command[strings.IndexAny(command, " \t"):]
	}
	return cronTimes(words[:5]), strings.TrimSpace(command)
}

// cron2Of is cron2: names of the times, and what else it may have.
func cron2Of(text string, more map[string]string) (expression, command string) {
	options, command, ok := strings.Cut(strings.TrimSpace(text), " ")
	if !ok {
		return "", text
	}
	times := []string{"-1", "-1", "-1", "-1", "-1"}
	for option := range strings.SplitSeq(options, ",") {
		name, value, _ := strings.Cut(option, "=")
		n, err := strconv.Atoi(value)
		if err != nil {
			return "", text
		}
		switch name {
		case "minute":
			times[0] = value
		case "hour":
			times[1] = value
		case "day":
			times[2] = value
		case "month":
			times[3] = value
		case "week":
			times[4] = value
		case "unique":
			if n != 0 {
				delete(more, "overlap")
			}
		case "harakiri":
			if n > 0 {
				more["timeout"] = value + "s"
			}
		default: // such as legion
			return "", text
		}
	}
	return cronTimes(times), strings.TrimSpace(command)
}

// cronTimes are the five fields: -1 is any, -5 is each that 5 divides. Empty: cron
// cannot say so.
func cronTimes(words []string) string {
	parts := make([]string, len(words))
	for i, word := range words {
		n, err := strconv.Atoi(word)
		switch {
		case err != nil:
			return ""
		case n >= 0:
			parts[i] = strconv.Itoa(n)
		case n == -1:
			parts[i] = "*"
		case i < 2: // minutes and hours begin at 0
			parts[i] = fmt.Sprintf("*/%d", -n)
		default:
			return ""
		}
	}
	return strings.Join(parts, " ")
}
