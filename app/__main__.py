"""``python -m rsvlm.app`` is ``rsvlm``."""

from rsvlm.app.cli import main

main(prog_name="rsvlm")
