"""What images stand on: any image by digest, a small Debian without a shell, or this machine for a quick try."""
