"""The faces of MicroShift and OpenShift, and the hub: objects of Kubernetes as typed values, each written as YAML."""
