package mongrel2

// Dict returns the header dictionary of the last message parsed as it was
// sent: all keys, mongrel2's own and the upload headers among them. A value is
// a string, or a []string where the client repeated the field. Strings are the
// bytes as they came.
func (r *Request) Dict() map[string]any {
	d := dict{}
	if r.JSON {
		p := jsonText{b: r.RawHeaders}
		_ = p.object(d.add) // Parse has read it already
	} else {
		_ = eachTnet(r.RawHeaders, d.add)
	}
	return d
}

type dict map[string]any

func (d dict) add(key, value []byte, listed bool) error {
	k, v := string(key), string(value)
	if !listed {
		d[k] = v
		return nil
	}
	list, _ := d[k].([]string)
	d[k] = append(list, v)
	return nil
}
