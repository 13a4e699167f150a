package wsgi

// ClientAddr is the address of the client: REMOTE_ADDR as AppendEnviron writes
// it, so what a trusted proxy tells, else the connection's own. It is empty for
// a unix socket of which no proxy tells more.
func ClientAddr(r *Request, p *Peer) string {
	if p.trusted() {
		if o := forwarded(r, p); o != nil {
			return o.addr
		}
	}
	return p.RemoteAddr
}
