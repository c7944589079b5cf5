"""The public badge: its page, its signed document, its image."""
