"""Specs: what a user asks for, read and checked."""
