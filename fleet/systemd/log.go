package systemd

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
)

// NewLogHandler is where the daemon's own lines go: to the journal with fields
// of their own where standard error leads there, else to w as text.
func NewLogHandler(w io.Writer, level slog.Leveler) slog.Handler {
	if ok, err := journal.StderrIsJournalStream(); err == nil && ok && journal.Enabled() {
		return &journalHandler{level: level, send: journal.Send}
	}
	return slog.NewTextHandler(w, &slog.HandlerOptions{Level: level})
}

// journalHandler writes a record as one journal entry. The message holds every
// attribute too, for who reads it without fields.
type journalHandler struct {
	level slog.Leveler
	send  func(message string, p journal.Priority, vars map[string]string) error
	attrs []slog.Attr
	group string // prefix of attributes
}

func (h *journalHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *journalHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clone(h.attrs)
	for _, a := range attrs {
		a.Key = h.group + a.Key
		c.attrs = append(c.attrs, a)
	}
	return &c
}

func (h *journalHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	return &c
}

func (h *journalHandler) Handle(_ context.Context, r slog.Record) error {
	var message strings.Builder
	message.WriteString(r.Message)
	vars := map[string]string{"SYSLOG_IDENTIFIER": "wsgid-fleet"}
	add := func(a slog.Attr) {
		value := a.Value.Resolve().String()
		message.WriteString(" " + a.Key + "=" + quoted(value))
		if field := journalField(a.Key); field != "" {
			vars[field] = value
		}
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(func(a slog.Attr) bool {
		a.Key = h.group + a.Key
		add(a)
		return true
	})
	return h.send(message.String(), priority(r.Level), vars)
}

// journalField is the field of an attribute, by the names that the apps' own
// entries carry; empty: the message alone holds it.
func journalField(key string) string {
	switch key {
	case "app":
		return "WSGID_APP"
	case "state":
		return "WSGID_STATE"
	case "file":
		return "WSGID_FILE"
	}
	return ""
}

func priority(l slog.Level) journal.Priority {
	switch {
	case l >= slog.LevelError:
		return journal.PriErr
	case l >= slog.LevelWarn:
		return journal.PriWarning
	case l >= slog.LevelInfo:
		return journal.PriInfo
	}
	return journal.PriDebug
}

// quoted puts a value with blanks into quotes, as slog's text form does.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \t\n\"=") {
		return `"` + strings.NewReplacer(`"`, `\"`, "\n", `\n`).Replace(value) + `"`
	}
	return value
}
