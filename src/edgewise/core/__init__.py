"""The near edge: model registry, releases, rollouts, review queue, and the hub that shows them.

Blind to `design/`, `build/` and `edge/`. Its rooms share one database (`database/`).
"""
