"""Whose records they are: owners, their tiers and budgets, what models cost and what was spent."""
