"""Figures and tables of stored runs."""
