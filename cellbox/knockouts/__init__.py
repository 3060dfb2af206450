"""Networks and predictions from raw expression: knock-outs, knock-downs, driven time courses.

`experiments` holds the data and `dream4_folder` reads them, `inference` finds the network, and
`doubles` predicts genes knocked out together.
"""
