package wsgi

import "testing"

func BenchmarkParseHeadOfResponse(b *testing.B) {
	payload := headPayload("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n", "Hello, world!")
	work := make([]byte, len(payload))
	var h ResponseHead
	b.ReportAllocs()
	for b.Loop() {
		copy(work, payload)
		if _, err := ParseHead(work, &h); err != nil {
			b.Fatal(err)
		}
	}
}
