"""The partner's command. Nothing but the standard library, so that it is there in a second, anywhere."""
