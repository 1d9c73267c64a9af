"""The device's face: quadlet units for Podman, and what Podman's generator would say of them."""
