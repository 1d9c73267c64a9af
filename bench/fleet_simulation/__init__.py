"""A fleet that is not there: devices in arrays, driven by the agent's own state machine, heard by a real hub."""
