"""Server-rendered pages: one layout, five languages, a strict policy, negotiation by `Accept`."""

from cme_kit.pages.language import LANGUAGE_NAMES, choose_language, gettext_noop
from cme_kit.pages.negotiation import wants
from cme_kit.pages.rendering import ASSETS, POLICY, Pages

__all__ = ["ASSETS", "LANGUAGE_NAMES", "POLICY", "Pages", "choose_language", "gettext_noop", "wants"]
