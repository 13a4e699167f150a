package console

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/words"
)

// Control answers on the daemon's control socket, whose users own the fleet: it hands
// out ways into the console.
func (c *Console) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/console", func(w http.ResponseWriter, r *http.Request) {
		var ask struct {
			Viewer bool   `json:"viewer"`
			By     string `json:"by"`
		}
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10)).Decode(&ask); err != nil {
			http.Error(w, "cannot read the request: "+appspec.JSONReason(err).Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(c.login(ask.Viewer, ask.By))
	})
	return mux
}

func (c *Console) login(viewer bool, by string) *fleet.ConsoleLogin {
	c.mu.Lock()
	problem := c.problem
	c.mu.Unlock()
	l := &fleet.ConsoleLogin{Problem: problem}
	if c.network == "unix" {
		l.Socket = c.target
		return l
	}
	if problem != "" {
		return l
	}
	role := Operator
	if viewer {
		role = Viewer
	}
	if by = words.OneLine(by); by == "" || len(by) > 100 {
		by = "somebody"
	}
	code, expires := c.codes.issue(role, by, time.Now())
	l.URL, l.Expires = "http://"+c.target+"/login#"+code, expires
	return l
}
