package host_test

import "fmt"

// loaderPlugin is a plugin loader as wsgid 0.7 had them, in Python 3.
func loaderPlugin(name, can string) string {
	return fmt.Sprintf(`
import os
from wsgid.core import Plugin
from wsgid.loaders import IAppLoader

class %s(Plugin):
    implements = [IAppLoader]

    def can_load(self, app_path):
        return %s

    def load_app(self, app_path, app_full_name):
        def application(environ, start_response):
            start_response("200 OK", [])
            return [("%s %%s %%s" %% (os.path.basename(app_path), app_full_name)).encode()]
        return application
`, name, can, name)
}
