"""``from wsgid.conf import settings``: wsgid's options as attributes, as they
stand in wsgid.json and in what the master told this worker."""

_OPTIONS = (
    "app_path wsgi_app loader_dir recv send workers keep_alive chroot "
    "mongrel2_chroot django no_daemon stdout debug envs"
).split()


class _Settings(object):
    _loaded = False

    def _load(self, config):
        import json

        self._loaded = True
        for option in _OPTIONS:
            setattr(self, option, None)
        try:
            with open(config["app_path"] + "/wsgid.json", "rb") as f:
                values = json.loads(f.read().decode("utf-8"))
        except (OSError, ValueError):
            values = {}
        if isinstance(values, dict):
            self.__dict__.update(values)
        self.app_path = config["app_path"] or "/"
        self.wsgi_app = config.get("wsgi_app") or None
        self.loader_dir = config.get("loader_dirs") or None
        self.django = bool(config.get("django"))
        self.debug = bool(config.get("debug"))

    def __getattr__(self, name):
        # Read when the first plugin asks: most applications have none.
        if self._loaded or name.startswith("__"):
            raise AttributeError("wsgid has no option %r" % name)
        from wsgid.link import config

        self._load(config)
        return getattr(self, name)


settings = _Settings()
