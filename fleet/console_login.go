package fleet

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ConsoleLogin is what a console answers who wants to look at it.
type ConsoleLogin struct {
	URL     string    `json:"url,omitempty"`     // for once
	Expires time.Time `json:"expires,omitzero"`  // of the URL
	Socket  string    `json:"socket,omitempty"`  // it listens on this unix socket, and needs no URL
	Problem string    `json:"problem,omitempty"` // why it does not listen now
}

// errNoConsole tells that the daemon serves none.
var errNoConsole = errors.New("cannot open the console: the daemon serves none; start it with --console 127.0.0.1:9191, of a packaged fleet by that in /etc/default/wsgid-fleet")

// ConsoleLogin asks the daemon for a way into its console.
func (c *Client) ConsoleLogin(ctx context.Context, viewer bool, by string) (*ConsoleLogin, error) {
	body, err := json.Marshal(map[string]any{"viewer": viewer, "by": by})
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://fleet/v1/console", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.lost(err)
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return nil, errNoConsole
	default:
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
		return nil, fmt.Errorf("cannot open the console: the daemon (pid %d) answers %s: %s", c.daemon.PID, resp.Status, bytes.TrimSpace(text))
	}
	var l ConsoleLogin
	if err := json.NewDecoder(resp.Body).Decode(&l); err != nil {
		return nil, c.lost(err)
	}
	return &l, nil
}
