"""Who may ask, and how much: limits, keys and TLS. Both skins stand behind it."""
