package applog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Slog returns a logger that writes into the log, for packages below.
func (l *Log) Slog() *slog.Logger { return slog.New(&slogHandler{log: l}) }

// slogHandler makes wsgid's lines of slog's records.
type slogHandler struct {
	log   *Log
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (h *slogHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= slog.LevelInfo || h.log.debug.Load()
}

// Handle implements slog.Handler.
func (h *slogHandler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message)
	add := func(a slog.Attr) bool {
		fmt.Fprintf(&b, " %s=%v", a.Key, a.Value)
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	h.log.Say(levelName(r.Level.String()), b.String())
	return nil
}

// WithAttrs implements slog.Handler.
func (h *slogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &slogHandler{log: h.log, attrs: append(slices.Clone(h.attrs), attrs...)}
}

// WithGroup implements slog.Handler; groups are not told apart.
func (h *slogHandler) WithGroup(string) slog.Handler { return h }
