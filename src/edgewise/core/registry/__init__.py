"""The model registry: models, versions, aliases and tags, metrics, lineage, artifacts by digest, and where they run."""
