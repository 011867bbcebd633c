"""The host agent's own updates: releases side by side, one on trial, a launcher that goes back by itself. docs/hostupdate.md"""
