"""Published benchmarks with a known truth, judged as their makers do, beside simpler rules.

`dream4` runs one network after the other, `result` holds what came of it,
`folder` and `page` show it.
"""
