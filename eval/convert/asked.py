"""How a converter asks: one turn of the user."""

from rsvlm.samples import Turn


def asked(question: str) -> tuple[Turn, ...]:
    """Return the conversation that asks a question."""
    return (Turn(role="user", text=question),)
