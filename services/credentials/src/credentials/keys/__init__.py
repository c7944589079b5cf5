"""The issuer's keys: one that signs, and every one that ever did, published in the DID document."""
