"""`python -m assessment`: serve the assessment API."""

from cme_kit.app import serve

from assessment.app import build
from assessment.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings)
