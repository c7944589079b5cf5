"""Read models: the people who hold badges and the institutions that are named in them."""
