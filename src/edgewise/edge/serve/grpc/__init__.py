"""The gRPC skin: Open Inference Protocol v2 over HTTP/2, on grpcio's asyncio server."""
