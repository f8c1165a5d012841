"""Where graphs run: one module a target, which turns options into a runner."""
