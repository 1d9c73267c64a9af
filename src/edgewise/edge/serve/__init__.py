"""The inference server: one core, two thin skins (REST and gRPC) that speak the Open Inference Protocol v2.

Runs on a device, so it imports only what a device has: numpy, one runtime, uvloop, httptools, a JSON parser. No
pydantic, typer, rich, httpx or YAML is imported in its process.
"""
