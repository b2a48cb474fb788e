"""Benchmarks: what a request costs, compared with a bare aiohttp server in the same run. See docs/performance.md."""
