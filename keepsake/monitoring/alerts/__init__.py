"""Alerts: rules about the figures, and who is told when one applies.

`rules.py` has the rules, `measures.py` what they measure, `states.py` what follows from a value,
`evaluation.py` the rounds in which all of that happens, `delivery.py` how people are told.
"""
