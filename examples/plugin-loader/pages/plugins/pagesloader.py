import json
import os

from wsgid.core import Plugin
from wsgid.loaders import IAppLoader


class PagesLoader(Plugin):
    """Serves the texts of app/pages.json."""

    implements = [IAppLoader]

    def can_load(self, app_path):
        return os.path.exists(os.path.join(app_path, "pages.json"))

    def load_app(self, app_path, app_full_name):
        with open(os.path.join(app_path, "pages.json"), encoding="utf-8") as f:
            pages = json.load(f)

        def application(environ, start_response):
            text = pages.get(environ["PATH_INFO"])
            status = "404 Not Found" if text is None else "200 OK"
            start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
            return [(text or "There is no such page.\n").encode("utf-8")]

        return application
