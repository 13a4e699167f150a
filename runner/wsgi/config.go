package wsgi

import "math"

// Config is what a worker is told before it loads its application; AppendInit
// writes it as the marshal dict of the message MsgInit, under the names in the
// comments.
type Config struct {
	App            string   // app: the app's name in the fleet
	AppPath        string   // app_path: the app folder as the worker sees it
	Release        string   // release: the folder with the code, relative to the app folder; empty: app, or itself
	Loader         string   // loader: auto, wsgi, django, pyroutes or a plugin's class name
	WSGIApp        string   // wsgi_app: module:attr; empty: a loader finds it
	LoaderDirs     []string // loader_dirs: further plugin folders, absolute
	Middleware     []string // middleware: callables around the application, first is outermost
	Django         bool     // django: the app has django settings to overlay, or was forced to Django
	DjangoSettings string   // django_settings: settings module; empty: found in the app
	Threads        int      // threads: slots of this worker
	Debug          bool     // debug
	Preload        bool     // preload: load once, then fork on demand
	Masks          []string // masks: what a 500 with Debug must not show
	Version        string   // version: of this program
	Ring           bool     // ring: small answers may come by shared memory, see Ring
	Umask          uint32   // umask
	Limits         Limits   // limits: only where the master may not set them itself
	Start          *Start   // start: only for a worker that is forked from a stem
}

// Start is what a worker that was started by itself has from the start.
type Start struct {
	Python    string   // python: the interpreter
	Directory string   // directory: where it works
	Environ   []string // environ
	Bound     bool     // bound: it may gain no privileges
	Master    int      // master: its parent
}

// Limits are resource limits that a worker sets for itself before it loads
// anything; 0: none. They are marshalled as a tuple.
type Limits struct {
	OpenFiles, Processes, AddressSpace uint64
}

// AppendInit appends a whole MsgInit message.
func AppendInit(dst []byte, c *Config) []byte {
	dst = AppendHeader(dst, MsgInit, 0, 0)
	dst = append(dst, tDict)
	str := func(key, v string) {
		dst = appendKey(dst, key)
		dst = appendString(dst, v)
	}
	flag := func(key string, v bool) {
		dst = appendKey(dst, key)
		if v {
			dst = append(dst, tTrue)
		} else {
			dst = append(dst, tFalse)
		}
	}
	list := func(key string, v []string) {
		dst = appendKey(dst, key)
		dst = appendSize(dst, tList, len(v))
		for _, e := range v {
			dst = appendString(dst, e)
		}
	}
	str("app", c.App)
	str("app_path", c.AppPath)
	if c.Release != "" {
		str("release", c.Release)
	}
	str("loader", c.Loader)
	str("wsgi_app", c.WSGIApp)
	list("loader_dirs", c.LoaderDirs)
	list("middleware", c.Middleware)
	flag("django", c.Django)
	str("django_settings", c.DjangoSettings)
	dst = appendKey(dst, "threads")
	dst = appendInt(dst, int64(c.Threads))
	dst = appendKey(dst, "umask")
	dst = appendInt(dst, int64(c.Umask))
	flag("debug", c.Debug)
	flag("preload", c.Preload)
	flag("ring", c.Ring)
	if len(c.Masks) > 0 {
		list("masks", c.Masks)
	}
	str("version", c.Version)
	if c.Limits != (Limits{}) {
		dst = appendKey(dst, "limits")
		dst = appendSize(dst, tTuple, 3)
		for _, v := range []uint64{c.Limits.OpenFiles, c.Limits.Processes, c.Limits.AddressSpace} {
			dst = appendInt(dst, int64(min(v, math.MaxInt64)))
		}
	}
	if s := c.Start; s != nil {
		dst = appendKey(dst, "start")
		dst = append(dst, tDict)
		str("python", s.Python)
		str("directory", s.Directory)
		list("environ", s.Environ)
		flag("bound", s.Bound)
		dst = appendKey(dst, "master")
		dst = appendInt(dst, int64(s.Master))
		dst = append(dst, tNull)
	}
	return append(dst, tNull)
}

// appendKey writes a name of ours, at most 255 ASCII bytes.
func appendKey(dst []byte, key string) []byte {
	dst = append(dst, tShortInterned, byte(len(key)))
	return append(dst, key...)
}
