"""An application behind a real HTTP server on loopback, in a thread of this process."""

import contextlib
import socket
import threading
import time

import uvicorn

from composer.recipe import Recipe
from composer.serve.served import Registry, ServedModel


@contextlib.contextmanager
def serving(app, port=0):
    """Serve an application; give its address, without `/v1`."""
    config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextlib.contextmanager
def registry_of(**recipes):
    """Make recipes ready, given as paths or texts, and close them at the end."""
    models = {}
    try:
        for name, source in recipes.items():
            recipe = Recipe.load(source)
            models[name] = ServedModel(name, recipe, recipe.ready())
        yield Registry(models)
    finally:
        for served in models.values():
            served.ensemble.close()
