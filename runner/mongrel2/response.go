package mongrel2

import "strconv"

// AppendAddress appends what stands before the payload of a message to one
// connection: "SENDER LEN:ID, ". A message that is nothing else closes the
// connection when what was queued for it has gone out; mongrel2 loses it if
// exactly sixteen messages are queued then.
func AppendAddress(dst, sender, id []byte) []byte {
	dst = append(dst, sender...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(id)), 10)
	dst = append(dst, ':')
	dst = append(dst, id...)
	return append(dst, ", "...)
}

// AppendResponse appends a message that sends the payload to one connection.
func AppendResponse(dst, sender, id, payload []byte) []byte {
	return append(AppendAddress(dst, sender, id), payload...)
}

// AppendKeepAlive appends the message that makes mongrel2 count the connection
// as active, so that it is not cut off after limits.min_ping (120 s) while the
// application is at work. mongrel2 crashes on extended payloads of other
// types: this one is fixed.
func AppendKeepAlive(dst, sender, id []byte) []byte {
	dst = append(dst, sender...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(id)+2), 10)
	dst = append(dst, ":X "...)
	dst = append(dst, id...)
	return append(dst, ", 28:3:ctl,18:10:keep-alive,1:1#}]"...)
}
