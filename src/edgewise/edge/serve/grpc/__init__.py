"""The gRPC skin: Open Inference Protocol v2 over HTTP/2, on the event loop of REST, with hpack for headers."""
