"""The life of edge.yaml as cached steps: read, design, answer."""
