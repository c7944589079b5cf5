"""What every service of CME needs, and no word of the domain: small parts, not a framework."""
