"""One run: its command line, merged settings, plan, folder and result.

Modules that recognise a finished run import the standard library only.
"""
