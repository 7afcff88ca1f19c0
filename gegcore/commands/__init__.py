"""Commands of `gegcore`, one file each: `add(commands)` declares it, a function carries it out.

Heavy modules are imported inside that function, which `--help` need not wait for.
"""
