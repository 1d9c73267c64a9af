"""The whole life of an edge.yaml, plan, build, push and publish, as steps that are done once."""
