"""What the steps of all lines share: the tools of a run, prompts, passages, refusals.

What one line makes belongs to the steps of that line.
"""
