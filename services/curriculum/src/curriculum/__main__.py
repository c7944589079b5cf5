"""`python -m curriculum` serves it; every setting comes from the environment."""

from cme_kit.app import serve

from curriculum.app import build
from curriculum.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings)
