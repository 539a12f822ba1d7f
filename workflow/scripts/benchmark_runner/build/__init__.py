"""Builds adapters into programs: cargo for Rust, a locked environment for Python.

adapter and source are read before any job exists, so they import nothing heavy; rust and environment do the work.
"""
