"""`python -m gateway`."""

from cme_kit.app import serve

from gateway.app import build
from gateway.edge.wire import StrictHttp
from gateway.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings, behind_gateway=False, protocol=StrictHttp)
