package static

import "strings"

// contentTypes are the types by the ending of a name. The list is ours: that of a
// host differs from host to host.
var contentTypes = map[string]string{
	"3gp": "video/3gpp", "7z": "application/x-7z-compressed", "aac": "audio/aac", "apk": "application/vnd.android.package-archive",
	"appcache": "text/cache-manifest", "atom": "application/atom+xml", "avif": "image/avif", "avi": "video/x-msvideo",
	"bin": "application/octet-stream", "bmp": "image/bmp", "br": "application/x-brotli", "bz2": "application/x-bzip2",
	"css": "text/css", "csv": "text/csv", "cur": "image/x-icon", "doc": "application/msword",
	"docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	"eot":  "application/vnd.ms-fontobject", "epub": "application/epub+zip", "flac": "audio/flac", "gif": "image/gif",
	"geojson": "application/geo+json", "glb": "model/gltf-binary", "gltf": "model/gltf+json", "gz": "application/gzip",
	"heic": "image/heic", "htm": "text/html", "html": "text/html", "ico": "image/x-icon", "ics": "text/calendar",
	"jpeg": "image/jpeg", "jpg": "image/jpeg", "js": "text/javascript", "json": "application/json", "jsonld": "application/ld+json",
	"jxl": "image/jxl", "m3u8": "application/vnd.apple.mpegurl", "m4a": "audio/mp4", "m4v": "video/mp4", "map": "application/json",
	"md": "text/markdown", "mid": "audio/midi", "midi": "audio/midi", "mjs": "text/javascript", "mkv": "video/x-matroska",
	"mov": "video/quicktime", "mp3": "audio/mpeg", "mp4": "video/mp4", "mpd": "application/dash+xml", "mpeg": "video/mpeg",
	"mpg": "video/mpeg", "odp": "application/vnd.oasis.opendocument.presentation",
	"ods": "application/vnd.oasis.opendocument.spreadsheet", "odt": "application/vnd.oasis.opendocument.text",
	"oga": "audio/ogg", "ogg": "audio/ogg", "ogv": "video/ogg", "opus": "audio/ogg", "otf": "font/otf", "pdf": "application/pdf",
	"png": "image/png", "ppt": "application/vnd.ms-powerpoint",
	"pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", "ps": "application/postscript",
	"rar": "application/vnd.rar", "rss": "application/rss+xml", "rtf": "application/rtf", "svg": "image/svg+xml",
	"svgz": "image/svg+xml", "tar": "application/x-tar", "tgz": "application/gzip", "tif": "image/tiff", "tiff": "image/tiff",
	"ts": "video/mp2t", "ttc": "font/collection", "ttf": "font/ttf", "txt": "text/plain", "vcf": "text/vcard", "vtt": "text/vtt",
	"wasm": "application/wasm", "wav": "audio/wav", "weba": "audio/webm", "webm": "video/webm", "webmanifest": "application/manifest+json",
	"webp": "image/webp", "woff": "font/woff", "woff2": "font/woff2", "xhtml": "application/xhtml+xml", "xls": "application/vnd.ms-excel",
	"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xml": "application/xml", "xz": "application/x-xz",
	"zip": "application/zip", "zst": "application/zstd",
}

// contentType is the Content-Type of a file; text is UTF-8.
func contentType(name string) string {
	base := name[strings.LastIndexByte(name, '/')+1:]
	t := contentTypes[strings.ToLower(base[strings.LastIndexByte(base, '.')+1:])]
	switch {
	case t == "" || !strings.Contains(base, "."):
		return "application/octet-stream"
	case strings.HasPrefix(t, "text/"):
		return t + "; charset=utf-8"
	}
	return t
}
