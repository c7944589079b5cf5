"""What an operator of a local stack looks at: the trace store and the mail catcher, in one process to save memory."""
