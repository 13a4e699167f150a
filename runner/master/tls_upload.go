package master

import "github.com/wsgid-fleet/wsgid-fleet/runner/bridge"

// arriving has bodies that are read as they arrive told to the pool. What a worker is to
// know of an end is there before its pipe ends.
func (in *tlsIngress) arriving() {
	in.server.Owes = func(r *bridge.Incoming, owes bool) {
		in.loop.Post(func() {
			if x := in.open[r]; x != nil {
				x.ClientOwes(owes)
			}
		})
	}
	in.server.Arrived = func(r *bridge.Incoming) {
		in.loop.Post(func() {
			if x := in.open[r]; x != nil {
				x.BodyComplete()
				x.ClientOwes(false)
			}
			endUpload(r)
		})
	}
	in.server.RefuseBody = func(r *bridge.Incoming, status int, reason string) {
		in.loop.Post(func() {
			if x := in.open[r]; x != nil {
				x.ClientOwes(false)
				in.pool.RefuseBody(x, status, reason)
			}
		})
	}
}

// endUpload ends the pipe of a request's body, if there is one.
func endUpload(r *bridge.Incoming) {
	if r.Upload != nil {
		r.Upload.End()
	}
}
