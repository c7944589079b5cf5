"""Status lists: who may see that a badge was revoked, without asking about that badge."""
