"""Find what is wrong with a service: on its computer, in its database, and as browsers see it.

Nothing here changes the database or the settings.
"""
