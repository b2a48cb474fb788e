"""Attacks on a running service. ``make crash``, ``make cost``, … run one in its long form and print its figures.

Each module has a function ``attack`` that returns figures, and a function ``is_broken`` that says whether they break a
promise of ``SECURITY.md``. The tests beside them run the same functions in a short form.
"""
