"""Doubles of paid providers: real HTTP servers on loopback that speak the real protocols.

They refuse what the provider would refuse, and keep every request for the test to look at.
"""
