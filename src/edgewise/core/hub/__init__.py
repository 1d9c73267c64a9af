"""The hub: what devices report to and people look at. An API (`/api/v1`) and pages; no device waits for it."""
