"""The service: search for the settings and data budgets that recover a network best.

    import search

    result = search.sweep(search.Spec(name="LI", data={"system": "LI"}), trials=100)
    result.best.network.to_frame()
"""
