"""Wheels for a platform that need not be this one: resolved by pip, locked by hash, laid out as a layer."""
