"""How fast Keepsake is and how much memory it takes, as ratios to what the models themselves take.

`python -m benchmarks` runs all of it, `python -m benchmarks NAME...` some. Times are compared with
the floor of the same work and with bare asyncio on the same machine in the same minute, so the
verdicts hold on machines of other speed. What must never depend on speed is in `tests/`.
"""
