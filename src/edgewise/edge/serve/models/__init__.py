"""The models of the server: found in folders, verified, loaded, proven, kept under a ceiling, swapped, unloaded."""
