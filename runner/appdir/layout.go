package appdir

import (
	"io/fs"
	"path/filepath"
)

// Names below the app folder (wsgid's application structure).
const (
	AppDir       = "app"
	LogsDir      = "logs"
	PIDDir       = "pid"
	MasterPIDDir = "pid/master"
	WorkerPIDDir = "pid/worker"
	PluginsDir   = "plugins"
	ConfigFile   = "wsgid.json"
	DjangoFile   = "django.json"
	LogFile      = "logs/wsgid.log"
)

// Modes of what this package makes.
const (
	DirMode     fs.FileMode = 0o755
	LogsMode    fs.FileMode = 0o750
	PIDFileMode fs.FileMode = 0o644
	SecretMode  fs.FileMode = 0o640 // wsgid.json and django.json
)

// DefaultRoot is where app folders lie when neither a spec nor defaults.hcl
// says so.
const DefaultRoot = "/var/wsgid"

// layoutDir is one folder of the layout.
type layoutDir struct {
	name string
	mode fs.FileMode
	// ours tells that the program itself writes into the folder. The others only
	// the application reads, so that an administrator may make them links.
	ours bool
}

// layout lists the folders, parents first.
var layout = []layoutDir{
	{name: AppDir, mode: DirMode},
	{name: PluginsDir, mode: DirMode},
	{name: LogsDir, mode: LogsMode, ours: true},
	{name: PIDDir, mode: DirMode, ours: true},
	{name: MasterPIDDir, mode: DirMode, ours: true},
	{name: WorkerPIDDir, mode: DirMode, ours: true},
}

// Join returns the absolute path of a name of the layout.
func Join(path, name string) string { return filepath.Join(path, filepath.FromSlash(name)) }
