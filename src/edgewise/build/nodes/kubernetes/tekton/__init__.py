"""The life of an edge.yaml as a Tekton Pipeline (OpenShift Pipelines): `objects` are the API's, `pipeline` is ours."""
