"""The figures of a checkpoint: measured, compared with goals, written into its card.

Run: ``python -m rsvlm.app.figures`` (``make figures``); ``--help`` tells the options.
"""
