package appdir

// toolFolders are programs and helpers that no installation runs on anybody's apps.
var toolFolders = map[string]string{
	"cmd/wsgid-fleet/bench":         "it measures apps of its own",
	"runner/mongrel2/mongrel2test":  "it serves tests",
	"fleet/reconcile/reconciletest": "it serves tests",
	"runner/certtest":               "it serves tests",
	"runner/nginxtest":              "it serves tests",
	"runner/shortdir":               "it serves tests",
	"fleet/certs/acmetest":          "it serves tests",
	"fleet/cluster/etcd/etcdtest":   "it serves tests",
	"fleet/fleettest":               "it serves tests",
	"fleet/importer/peertest":       "it serves tests",
}

// directOpeners are the functions that use a path all the same, with the reason why
// no app can make use of it. Each line is a file and functions in it.
var directOpeners = []struct {
	why     string
	openers []string
}{
	{"the door itself: by descriptors, each link judged, or below a descriptor that was proved", []string{
		"runner/appdir/door.go openBelow openChecked openParent openPath readLinked walkBeneath",
		"runner/appdir/fileinfo.go lstatAt",
		"runner/appdir/rootfs.go Chmod Chown Chtimes Mkdir ReadlinkIfPossible Remove RemoveAll Rename",
		"runner/appdir/walk.go OpenFile open step",
	}},
	{"looked at and not opened, to tell what is wrong or what would run; it decides nothing that root does", []string{
		"cmd/wsgid/instance.go masters",                 // whether two paths are one folder
		"cmd/wsgid/options.go loaders",                  // a folder of the command line
		"fleet/deploy/database/explain.go otherSockets", // names beside a socket that is missing
		"cmd/wsgid-fleet/new.go writeNew userOfNew",     // a checkout that has no app yet
		"fleet/checkout/beside.go isVirtualenv",
		"fleet/doctor/look.go app diskFacts",
		"fleet/bounded/room.go lookAtRoom mountOf",   // where a full disk is mounted, for a message
		"fleet/reconcile/watcher.go Refresh resolve", // what inotify is to watch: a hint
		"runner/appdir/closed.go OpenToOthers blockedFrom readlink",
		"fleet/deploy/child/account.go MayRead",
		"fleet/deploy/folder.go mayChange", // as the app's user, below a folder that was opened so
		"runner/appdir/python.go PythonVersion executable toldVersion virtualenvPython",
		"runner/appdir/repair_folders.go usable",                  // an ordinary user's own rights
		"runner/pool/program.go commandIn codeFolder lookProgram", // it runs as the app's user
		"runner/sandbox/python.go links",                          // what they lead to is proved by isInstallation
	}},
	{"proved to be root's alone on the whole way before anything follows from it", []string{
		"runner/sandbox/python.go isInstallation",
		"runner/stem/stem.go Mark", // whether the interpreter is another one
		"runner/sandbox/hostdir.go behind",
		"runner/wsgi/host/compile.go Compile",
	}},
	{"files of static blocks, opened with the rights of the app's user, below a folder that no link leads out of; on the loop only what was found so", []string{
		"runner/static/open.go openBelow openCached openFolder walkBelow",
	}},
	{"by a descriptor of the folder, which was opened by Folder: a unix socket", []string{
		"runner/listen/unix.go giveSocket open remove",
	}},
	{"the folder of the gate, in the data directory, which is root's; in it no link is followed", []string{
		"fleet/reconcile/gate_folder.go checkGateFolder repairGateFolder",
	}},
	{"the folder of the sockets between gate and masters, in the state directory, which only root writes", []string{
		"runner/master/gates.go openGates",
		"runner/master/gate_process.go newGateProcess",
	}},
	{"by a descriptor of the app folder, or in the new root, where only root writes", []string{
		"runner/sandbox/root.go attach bindApp bindEntry enterChroot keepWritable makeFolders topNames",
		"runner/sandbox/bind.go mount openBinds", // what a spec names comes by Folder
		"runner/sandbox/hostfiles.go put",
		"runner/master/master.go openFolder",
		"runner/sandbox/namespaces.go initProc newNamespaces",
		"runner/sandbox/refresh.go refresh show showAnew",
	}},
	{"the folder / as a place for a descriptor, of which nothing is read", []string{
		"runner/listen/file.go File",
	}},
	{"the kernel's /proc, /sys or /dev", []string{
		"cmd/wsgid-fleet/doctor.go doctorFleet", // an fs.FS of the machine, of which package doctor reads these and names of libraries
		"appspec/hclspec/cpus.go hostCPUs",
		"cmd/wsgid/process.go looksOurs proved title",
		"fleet/deploy/child/keeper.go nameOf",
		"fleet/deploy/child/nice.go standBackAsSession",
		"fleet/elsewhere.go fleetsHere",
		"fleet/reconcile/folder.go runsWsgid",
		"fleet/importer/wsgid.go runningWsgid",
		"fleet/metrics/process.go processFamilies residentMemory",
		"fleet/neighbour.go mastersOf ownerOf",
		"fleet/systemd/scope.go controlGroup family",
		"runner/appdir/proc.go ChildrenOf ResidentSize readStat",
		"runner/boot/message.go closeForeign",
		"runner/boot/process.go NameProcess",
		"runner/start.go execMaster",
		"runner/sandbox/hostview.go newHostView",
		"runner/sandbox/priority.go raise",
		"runner/pool/proof.go parentAndUsers",
		"runner/control/record.go BootID",
		"runner/boot/trim.go cleanMappings TrimMemory",
		"runner/unread/pipes_limit.go firstUsers measurePipes",
		"runner/pool/program.go startProgram",
		"runner/pool/stack_thread.go holdsShared readThread stuck threadOf",
		"runner/pool/spawn.go prepare",
		"runner/zygote/zygote.go start",
		"runner/process/kin.go is",
		"runner/swept.go FindSwept proveMaster",
		"runner/sandbox/namespaces.go OuterPID",
	}},
	{"the state and data directory, which are root's (or the user's own) and closed to others", []string{
		"cmd/wsgid/instance.go makeStateDir release take",
		"fleet/certs/keeper.go refresh",
		"fleet/specdir/loss.go LastRead",
		"fleet/cluster/mirror.go Current Machine Open Placed save Etcd Update countFiles fill keep point removeFiles write",
		"fleet/certs/pair.go makeFolders readPair writePair",
		"fleet/certs/storage.go TryLock",
		"fleet/certs/record.go readRecord write",
		"fleet/client.go Connect",
		"fleet/console/listen.go Close listenForViewers listenUnix safeFolder", // the path is of the command line
		"fleet/console/proxy.go readRoles",                                     // the path is of the command line
		"fleet/console/owner.go ownerOf",                                       // of /proc
		"fleet/console/session.go loadKey",
		"fleet/doctor/look.go state",
		"fleet/state/takeover.go WarnVolatile",
		"fleet/elsewhere.go daemonElsewhere",
		"fleet/sockets/holder.go SocketID lastClient lockHolder",
		"fleet/sockets/holder_client.go start",
		"fleet/deploy/logbook.go Lock",
		"fleet/state/files.go ReplaceAlone",
		"fleet/state/lock.go LockApp LockDaemon LockedBy SameFile isHeld removeLocks",
		"fleet/admins.go asAdmin shareControl",
		"fleet/exec.go isOurs",
		"fleet/neighbour.go Error neighbourOf putNotice readNotice removeNotice",
		"fleet/server.go ListenForAdmins listenControl serve",
		"fleet/swept.go heal swept",
		"runner/start.go StartMaster",
		"runner/master/control_server.go listenControl",
		"runner/process/lock.go OpenLock",
		"runner/control/wire.go ShortPath",
		"runner/control/record.go Intact Remove Write",
		"runner/sandbox/hostdir.go LayOutHost",
		"runner/record.go FindMasters",
		"runner/master/served.go openData",
		"runner/sandbox/remount.go mountAnew",
		"runner/control/dir.go SocketGone",
		"runner/master/restore.go remakeFolders",
		"runner/wsgi/host/host.go Extract complete makeFolder write",
	}},
	{"the spec directory, which is trusted like root; what a spec's file() names is opened by OpenNamed", []string{
		"cmd/wsgid-fleet/connect.go load loadFiles",
		"cmd/wsgid-fleet/fmt.go format hclFiles replaceFile",
		"cmd/wsgid-fleet/balancer.go put", // what a flag names, by whoever calls
		"fleet/cluster/texts.go Texts Write",
		"cmd/wsgid-fleet/plan_source.go stagedFor",
		"fleet/cluster/etcd/client.go tls", "fleet/cluster/etcd/renew.go password", // what flags of the command line name
		"cmd/wsgid-fleet/import.go putSpec writeNewFile",
		"cmd/wsgid-fleet/man.go write writeManual",
		"fleet/client.go samePlace",
		"cmd/wsgid-fleet/new.go proveNew",
		"fleet/importer/apache/apache.go Read include",
		"fleet/importer/apache/condition.go holds",
		"fleet/importer/apache/facts.go application userHome",
		"fleet/importer/detect.go detect",
		"fleet/importer/facts/options.go Exists FolderNames IsFolder ReadFile", // what an operator asks to be read
		"fleet/importer/facts/owner.go OwnerOf",
		"fleet/importer/gunicorn/gunicorn.go ofFile",
		"fleet/importer/mapping.go isFile",
		"fleet/importer/procfile/procfile.go find",
		"fleet/importer/procfile/options.go environment",
		"fleet/importer/supervisord/supervisord.go readAll",
		"fleet/importer/systemd/command.go rootShell", // /etc/passwd
		"fleet/importer/systemd/environment.go environment",
		"fleet/importer/systemd/instance.go placed",
		"fleet/importer/systemd/unit.go readUnit",
		"fleet/importer/systemd/specifier.go ofSystem", // of /etc and /proc: what the machine is called
		"fleet/importer/uwsgi/logic.go globbed ifFile",
		"fleet/importer/uwsgi/magic.go file",
		"fleet/importer/uwsgi/uwsgi.go Read court readConfig vassals",
		"fleet/importer/wsgid.go loadText",
		"fleet/options.go withDefaults",
	}},
	{"this program's own files, the host's /etc, /run and temporary files without a name", []string{
		"appspec/hclspec/options.go Host",
		"cmd/wsgid/process.go isOurs",
		"fleet/upgrade.go programPath",
		"runner/applog/journal.go KeepJournal",
		"runner/bridge/server.go tempFile",
		"runner/ingress/tempfile.go tempFile",
		"runner/unread/store.go New",
		"runner/sandbox/hostfiles.go openHostFile watch",
		"runner/master/master.go openSpool",
		"runner/program.go CheckMasterProgram masterProgram masterProgramOf",
	}},
	{"os.Open where no other opener is given, which masters and commands always do", []string{
		"runner/bridge/certificate.go LoadCertificate",
	}},
	{"a checkout, read below an os.Root, which no link leads out of, for the operator who names it", []string{
		"fleet/checkout/look.go Look",
		"fleet/checkout/repository.go repositoryAt",
	}},
	{"a deploy's bare repository, looked at, or read below an os.Root; nothing is written there", []string{
		"fleet/deploy/acts.go open",     // proved to be the folder that os.Root leads to from the app folder
		"fleet/deploy/prune.go openApp", // an os.Root, which no link leads out of
		"fleet/deploy/source/fetch.go prepare stored tidy", "fleet/deploy/source/leftover.go leftBehind",
		"fleet/deploy/source/unpack.go forget", // names alone, bounded; what goes is removed as the account
		"fleet/deploy/source/lfs.go largeFile",
		"fleet/deploy/venv/interpreters.go identify",   // looked at, not opened: whether an interpreter and what it loads is as before
		"fleet/deploy/venv/named.go outside",           // the operator's configuration of pip, and what it and PIP_… name: bounded, regular files only
		"fleet/deploy/venv/requirements.go listing",    // the operator's folder of wheels: names, sizes, times
		"fleet/deploy/source/explain.go isFile",        // whether what an operator names as a repository is a file
		"fleet/deploy/source/explain.go whereShallow",  // whether the repository that an operator names has a file
		"fleet/deploy/source/repository.go checkFiles", // whether what a deploy names is there; ssh reads it, as the account
	}},
	{"the temporary folder of a mongrel2, of which only proved uploads are read (package link)", []string{
		"runner/mongrel2/link/upload.go root",
	}},
}
