"""Tests of what the runner computes; what it starts is tested by `make bench-smoke`."""
