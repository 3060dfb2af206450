"""Published benchmarks, judged as their makers do, beside simpler rules.

`dream4` runs one network after the other, `result` holds what came of it, `page` shows it;
`skmel133` predicts held-out drug conditions, and has files of the same kinds. `folder` writes both.
"""
