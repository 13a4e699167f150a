package appspec

import "time"

// MaxWorkers is the largest number of workers of an app.
const MaxWorkers = 4096

// Spec is one app, wholly resolved: defaults merged, functions evaluated,
// every attribute set. It is the one configuration type of the program; its
// JSON form (which holds secrets) is what the daemon hands to a master and
// keeps as the last good spec.
type Spec struct {
	Name        string `json:"name"`
	Environment string `json:"environment,omitempty"` // the environment block of the app block App that it comes from; empty: none
	File        string `json:"file"`                  // the spec file; empty for an app that wsgid started by hand
	Path        string `json:"path"`                  // absolute
	Enabled     bool   `json:"enabled"`
	Loader      string `json:"loader"`   // auto, wsgi, django, pyroutes or the class name of a plugin loader
	WSGIApp     string `json:"wsgi_app"` // empty: a loader finds it
	// Code is where the code is, relative to Path, or to Release where there is one;
	// empty: see CodeDir.
	Code string `json:"code,omitempty"`
	// OwnCode tells whether the folders of the code are given to the app's user; nil:
	// those that belong to root or nobody are.
	OwnCode      *bool             `json:"own_code,omitempty"`
	LoaderDirs   []string          `json:"loader_dirs,omitempty"`
	Middleware   []string          `json:"middleware,omitempty"`
	Python       string            `json:"python"`     // empty: the default interpreter, /usr/bin/python3 or the first python3 of PATH
	Virtualenv   string            `json:"virtualenv"` // relative to Path, or absolute
	User         string            `json:"user"`       // empty: derived from the owner of Path
	Group        string            `json:"group"`      // empty: the primary group of the user
	Chroot       bool              `json:"chroot"`
	Debug        bool              `json:"debug"`
	ServerHeader bool              `json:"server_header"` // responses carry X-Wsgid
	Umask        uint32            `json:"umask"`         // of the workers
	Env          map[string]string `json:"env,omitempty"`

	// EnvFile names the files whose variables are in Env, for plans and checks alone.
	EnvFile []string `json:"env_file,omitempty"`
	// WorkingDirectory is that of the workers, relative to Path or absolute; empty: Path.
	WorkingDirectory string `json:"working_directory,omitempty"`
	// NoNewPrivileges keeps what the workers execute from the rights of set-user-ID
	// and set-group-ID programs. In a chroot that is always so.
	NoNewPrivileges bool `json:"no_new_privileges"`
	// ScriptName is the mount point of the app; empty: see Mount.
	ScriptName string `json:"script_name,omitempty"`

	// Hosts are the names that the gate brings connections by, in the form of
	// HostName, some as "*." and a name.
	Hosts []string `json:"hosts,omitempty"`
	// TLS is the certificate for them; nil: that of the gate's listener, or one that the
	// daemon gets.
	TLS *TLS `json:"tls,omitempty"`
	// Gate tells that this is no app but the gate of the fleet, whose sockets are
	// its listeners; nil: an app.
	Gate *Gate `json:"gate,omitempty"`

	Sockets Sockets `json:"sockets"`
	Workers Workers `json:"workers"`
	Django  *Django `json:"django,omitempty"` // nil: no django block
	Request Request `json:"request"`
	Health  *Health `json:"health,omitempty"` // nil: no health check
	Restart Restart `json:"restart"`
	Limits  Limits  `json:"limits"`
	Log     Log     `json:"log"`

	Static []Static `json:"static,omitempty"` // files that are served without the app

	Processes []Process  `json:"processes,omitempty"` // what runs beside the workers
	Schedules []Schedule `json:"schedules,omitempty"` // what runs at times
	// Backends are the hosts of a fleet of many machines that run it; empty: all.
	Backends []Backend `json:"backends,omitempty"`

	Deploy   *Deploy   `json:"deploy,omitempty"`   // nil: the code is brought here by others
	Database *Database `json:"database,omitempty"` // nil: none is made

	// Release is what a deploy has brought here and serves now; nil: the code is
	// in app/. It comes from the record of the deploy, not from a spec file.
	Release *Release `json:"release,omitempty"`
	// Made is what that deploy has made for the app beside its code; nil: nothing.
	Made *Made `json:"made,omitempty"`

	// Sensitive names the attributes whose value must never be printed, by
	// attribute path ("env.SECRET_KEY", "django.overrides.DATABASES.default.PASSWORD").
	// A path covers everything below it.
	Sensitive map[string]bool `json:"sensitive,omitempty"`

	// Ranges tells where each attribute was written, by attribute path. It is
	// not part of the JSON form.
	Ranges map[string]Range `json:"-"`
}

// Mount is the mount point of the app, without a slash at its end: script_name, else
// SCRIPT_NAME of its environment, by which gunicorn is told; empty: it has none.
func (s *Spec) Mount() string {
	if s.ScriptName != "" {
		return s.ScriptName
	}
	if name := s.Env["SCRIPT_NAME"]; name != "" {
		if _, ok := checkMount(name); ok {
			return name
		}
	}
	return ""
}

// Sockets is what an app listens on.
type Sockets struct {
	HTTP     []HTTPSocket     `json:"http,omitempty"`
	Mongrel2 []Mongrel2Socket `json:"mongrel2,omitempty"`
}

// HTTPSocket is one http block.
type HTTPSocket struct {
	Listen string `json:"listen"` // host:port, unix:/path or systemd:NAME
	Mode   uint32 `json:"mode"`   // permission bits of a unix socket
	Owner  string `json:"owner"`  // of a unix socket; empty: the app's user
	Group  string `json:"group"`  // of a unix socket; empty: the app's group
	TLS    *TLS   `json:"tls,omitempty"`
	// Adopts tells that no client connects to it, but the gate, to hand connections
	// over. No spec file says so: the fleet adds it to an app with hosts.
	Adopts bool `json:"adopts,omitempty"`
	// Pairs, of one that adopts, are the certificates for clients that come by TLS, the
	// best ones first; nil: none come. Default tells that it is of the gate's default app,
	// which answers for all names that no other has. Foreign are the names of other apps that
	// it would answer for else: by that, or by a wildcard.
	Pairs   []Pair   `json:"pairs,omitempty"`
	Default bool     `json:"default,omitempty"`
	Foreign []string `json:"foreign,omitempty"`
	// Redirect is "https" where a listener of the gate sends clients to HTTPS.
	Redirect string `json:"redirect,omitempty"`
}

// TLS names the files of a certificate and its key. At a listener of the gate both may
// be empty: then each app has its own.
type TLS struct {
	Cert string `json:"cert"`
	Key  string `json:"key"`
	// ACME, at a listener of the gate, has the daemon get the certificates of the apps
	// that have none of their own; nil: it gets none.
	ACME *ACME `json:"acme,omitempty"`
}

// ACME is who gives certificates.
type ACME struct {
	Email     string `json:"email"`
	Directory string `json:"directory"` // URL
	CA        string `json:"ca"`        // file of the root by which its server is trusted; empty: as others are
}

// Mongrel2Socket is one mongrel2 handler.
type Mongrel2Socket struct {
	Recv   string `json:"recv"`   // the handler's send_spec: we PULL from it
	Send   string `json:"send"`   // the handler's recv_spec: we publish to it
	Chroot string `json:"chroot"` // of the mongrel2 server, for async uploads; may be empty
}

// Static is one static block.
type Static struct {
	URL    string   `json:"url"` // begins and ends with a slash
	Dir    string   `json:"dir"` // relative to the app folder, or absolute; app/ is the release where there is one
	MaxAge Duration `json:"max_age"`
}

// Workers is the size and the time limits of an app's worker set.
type Workers struct {
	Min            int      `json:"min"` // equal to Max where count is fixed
	Max            int      `json:"max"`
	Threads        int      `json:"threads"`
	RequestTimeout Duration `json:"request_timeout"`
	StartTimeout   Duration `json:"start_timeout"`
	Reserve        int      `json:"reserve"`    // threads that slow requests leave free
	StartNice      int      `json:"start_nice"` // 0: a worker starts at the priority of those that serve
	StopTimeout    Duration `json:"stop_timeout"`
	IdleTimeout    Duration `json:"idle_timeout"`
	MaxRequests    int      `json:"max_requests"` // 0: never recycled by count
	MaxMemory      Size     `json:"max_memory"`   // 0: never recycled by size
	MaxAge         Duration `json:"max_age"`      // 0: never recycled by age
	Preload        bool     `json:"preload"`
	KeepAlive      bool     `json:"keep_alive"` // wsgid's option: replace a worker that died
	Queue          int      `json:"queue"`      // requests that may wait for a worker
	QueueTimeout   Duration `json:"queue_timeout"`
}

// Django is the django block.
type Django struct {
	Settings  string         `json:"settings"`            // empty: found in the app
	Overrides map[string]any `json:"overrides,omitempty"` // becomes django.json
}

// Request is the limits of one HTTP request.
type Request struct {
	MaxBody          Size     `json:"max_body"`
	MaxLine          Size     `json:"max_line"`
	MaxHead          Size     `json:"max_head"`
	MaxHeaders       int      `json:"max_headers"`
	HeaderTimeout    Duration `json:"header_timeout"`
	BodyTimeout      Duration `json:"body_timeout"`
	Buffering        bool     `json:"buffering"` // false: an app is called before the body of its request is there
	KeepAliveTimeout Duration `json:"keep_alive_timeout"`
	ResponseBuffer   Size     `json:"response_buffer"`
	Spool            Size     `json:"spool"`
	MinRate          Size     `json:"min_rate"`                  // bytes a second
	TrustedProxies   []string `json:"trusted_proxies,omitempty"` // CIDRs, and "unix"
	TrustedHeaders   []string `json:"trusted_headers"`           // of a trusted proxy, in lower case
}

// Health is the health check asked of the app through a worker.
type Health struct {
	Path     string   `json:"path"`
	Host     string   `json:"host,omitempty"` // empty: found by the runner
	Interval Duration `json:"interval"`
	Timeout  Duration `json:"timeout"`
	Failures int      `json:"failures"`
}

// Restart is the back-off of workers that cannot start.
type Restart struct {
	MinDelay   Duration `json:"min_delay"`
	MaxDelay   Duration `json:"max_delay"`
	ResetAfter Duration `json:"reset_after"`
}

// Limits is what the workers may use. Zero: no limit of ours.
type Limits struct {
	OpenFiles    uint64  `json:"open_files"`
	Processes    uint64  `json:"processes"`
	AddressSpace Size    `json:"address_space"`
	Memory       Size    `json:"memory"` // Memory, CPU and Tasks: cgroup properties under systemd
	CPU          float64 `json:"cpu"`    // cores
	Tasks        uint64  `json:"tasks"`
}

// Log is where an app's output goes.
type Log struct {
	Target  string `json:"target"` // file, journal or stderr
	Access  bool   `json:"access"`
	Format  string `json:"format"` // text or json
	MaxSize Size   `json:"max_size"`
	Keep    int    `json:"keep"`
}

// Duration is a time.Duration whose text form is Go's ("1m30s").
type Duration time.Duration

// D returns the duration as the standard library's type.
func (d Duration) D() time.Duration { return time.Duration(d) }

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes Go's duration syntax.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads Go's duration syntax.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// Size is a number of bytes.
type Size int64
