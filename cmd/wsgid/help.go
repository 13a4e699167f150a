package main

const helpText = `NAME
    wsgid - run a WSGI application as a daemon, behind mongrel2 or on HTTP

SYNOPSIS
    wsgid [COMMAND] [OPTION]...

    wsgid init   --app-path=DIR
    wsgid config --app-path=DIR --recv=ENDPOINT --send=ENDPOINT [OPTION]...
    wsgid        --app-path=DIR [OPTION]...
    wsgid stop | restart | status --app-path=DIR

DESCRIPTION
    wsgid serves the application of one app folder with a master process and a
    number of workers. It finds out by itself how to load a Django or a
    pyroutes project, or what a plugin of the folder can load; of any other
    application it is told the name (--wsgi-app).

    The master owns the sockets. It is a daemon: it outlives the command and
    the terminal, and writes to logs/wsgid.log of the app folder. The workers
    are Python processes, CPython 3.8 or newer.

    The same folder works under wsgid-fleet, which keeps many of them running
    from a directory of specs. "wsgid-fleet import DIR" writes the spec of one.

COMMANDS
    start      Start the app. This is what is done when no command is named. It
               returns when the first workers serve, and says why if they do
               not. Each start adds one instance: several may run on one
               folder.
    init       Make the app folder and the folders in it. What exists is left
               alone.
    config     Write the options given into wsgid.json, and leave the others as
               they are. --wsgi-app= and --mongrel2-chroot=, without a value,
               take the option out.
    stop       Stop every instance on the folder: requests that were begun are
               finished first.
    restart    Replace the workers of every instance. New ones serve before the
               old ones leave, so that no request is lost; if the new ones
               cannot start, the old ones stay. New code, plugins and
               django.json are taken up; wsgid.json is read by start alone.
    status     Print what runs on the folder:

                   Status: Running
                   Master pid(s): 9844
                   Worker pid(s): 9847(dead), 17262

               (dead) marks a pid file whose process is gone.
    help       Print this text.

OPTIONS
    --app-path=DIR
               The app folder. Default: the working directory.
    --wsgi-app=NAME
               The application: package.module.attribute,
               package.module:attribute, or package.module:factory(). No loader
               is asked then.
    --loader-dir=DIR
               A folder with more plugins. May be repeated; searched in order,
               after plugins/. With --chroot it is relative to the app folder,
               else to the working directory.
    --recv=ENDPOINT
               Where requests come from: the send_spec of the mongrel2 handler,
               such as tcp://127.0.0.1:9997. Transports: inproc, ipc, tcp, pgm,
               epgm.
    --send=ENDPOINT
               Where responses go to: the recv_spec of the same handler.
    --workers=N
               The number of workers. Default: 1.
    --keep-alive, --no-keep-alive
               Replace a worker that dies. Default: yes. Without, the master
               ends with its last worker.
    --chroot, --no-chroot
               Show the app its folder as /, and nothing else of the machine
               but, read-only, what Python needs. Needs root. Default: no.
    --mongrel2-chroot=DIR
               Where the mongrel2 server is chrooted. A big request body comes
               as a file whose path the server tells from there.
    --django   Load as a Django project even where none is recognised, such as
               a package without __init__.py: "import PROJECT.settings" must
               work.
    --no-daemon
               Stay in the foreground, and log to standard error.
    --stdout   With --no-daemon: log to standard output.
    --debug, --no-debug
               Log more. Default: no.
    --send-signal=SIGNAL
               stop: the signal for the masters. Default: TERM. restart: send
               this signal to each worker instead of replacing it; TERM, which
               was wsgid's own, replaces it. A name (TERM, SIGTERM) or a
               number.
    --state-dir=DIR
               Where what runs is noted. Default: /run/wsgid for root, and
               $XDG_RUNTIME_DIR/wsgid for others.
    -h, --help
               Print this text.
    -v, --version
               Print the version.

THE APP FOLDER
    app/          the application's code; it is on sys.path
    plugins/      loaders and request filters, *.py
    logs/         wsgid.log
    pid/master/   PID.pid of each master
    pid/worker/   PID.pid of each worker
    wsgid.json    options (below)
    django.json   settings that are merged into the Django project's own

    As root, wsgid runs the workers as the owner of the app folder.

LOADING
    app/ is on sys.path. With --wsgi-app the module is imported and the
    attribute taken. Else the loaders are asked in the order of their file
    names, plugins and these two:

    djangoloader.py
               takes the first folder of app/, by name, that is a package with
               settings.py or settings/, or that holds such a package. It sets
               DJANGO_SETTINGS_MODULE, and honours the settings'
               WSGI_APPLICATION. If the variable is set already, it wins. A
               framework made like Django is named by its own: with
               GINGER_SETTINGS_MODULE=site.settings it is the package ginger.
    pyroutesloader.py
               takes an app/ with pyroutes_settings.py, and imports the package
               beside it.

    Plugins are *.py files with classes that derive from wsgid.core.Plugin and
    say what they implement: wsgid.loaders.IAppLoader, and IPreRequestFilter
    and IPostRequestFilter of wsgid.interfaces.filters. One that fails is told
    in the log with file and line, and does not hold up the others.

DJANGO.JSON
    An object of settings. What the project does not have is made; an object
    goes into a dict key by key, and the file's key wins; a list goes behind a
    list or a tuple; of two different types the file's wins. An entry of
    DATABASES without ENGINE changes only the keys it has. A file that does not
    parse stops the start, or the restart, with its line and column.

WSGID.JSON
    The options of the command line with _ for - and without the leading --:
    recv, send, workers, wsgi_app, debug, keep_alive, chroot, no_daemon,
    stdout, mongrel2_chroot, loader_dir, django; and envs, an object of
    environment variables that are set before the application is loaded.

        {
          "recv": "tcp://127.0.0.1:9997",
          "send": "tcp://127.0.0.1:9996",
          "workers": 4,
          "envs": {"TZ": "UTC"}
        }

    What stands in the file wins over the command line, which is told with a
    warning. Switches and numbers may stand in quotes, as wsgid wrote them. An
    option that is not known is kept, and told; a value of the wrong type is an
    error that names its line and column.

    The key fleet holds what wsgid has no option for, as wsgid-fleet writes it:
    python, virtualenv, middleware and the blocks of a spec. With it an app can
    be served on HTTP without mongrel2, and wrapped:

        {"fleet": {"sockets": {"http": [{"listen": "127.0.0.1:8000"}]},
                   "middleware": ["helloworld.wsgi:HelloWorldApplication"]}}

SIGNALS
    A master takes TERM and INT (finish what was begun, then end), HUP (replace
    the workers, new ones first), TTIN and TTOU (one worker more, one less). In
    the foreground wsgid passes them on.

FILES
    /run/wsgid, $XDG_RUNTIME_DIR/wsgid
               The state directory: which masters run, their control sockets,
               and the Python files that workers run. It must belong to the
               user of the command, and nobody else may write to it.
    DIR/logs/wsgid.log
               Lines of the master, and the output of the workers. It is
               rotated at 64 MiB, five old ones are kept.

ENVIRONMENT
    XDG_RUNTIME_DIR
               For others than root: where the state directory is. Without it,
               it is wsgid-UID in the directory for temporary files ($TMPDIR).
    PATH, LANG, LANGUAGE, LC_*, TZ, PYTHONPATH, *_SETTINGS_MODULE
               are handed to the workers. They get nothing else of the
               command's environment, which may hold secrets: say it in envs,
               which wins.

EXIT STATUS
    0     Done; for status: the app runs. In the foreground: the master's own.
    1     It could not be done; the reason is on standard error.
    3     status: nothing runs on the folder.
    64    The command line is wrong.

EXAMPLES
    Make a folder for a Django project, and serve it behind mongrel2:

        wsgid init --app-path=/var/wsgid/blog
        cp -a blog/ /var/wsgid/blog/app/
        wsgid config --app-path=/var/wsgid/blog \
            --recv=tcp://127.0.0.1:9997 --send=tcp://127.0.0.1:9996 --workers=2
        wsgid --app-path=/var/wsgid/blog

    Look at the log of an app that does not start:

        wsgid --app-path=/var/wsgid/blog --no-daemon --debug

    Take up new code without losing a request:

        wsgid restart --app-path=/var/wsgid/blog

    Move to the fleet:

        wsgid-fleet import --write /var/wsgid/blog
        wsgid stop --app-path=/var/wsgid/blog
        wsgid-fleet apply blog

SEE ALSO
    wsgid-fleet --help; mongrel2, m2sh; PEP 3333
`
