"""JSON schemas of KServe's objects, Route and ServiceMonitor; each says where it is from."""
