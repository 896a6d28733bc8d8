"""The process that sandboxes are forked from, and the way to it.

It has imported the decoders and decodes nothing, so that a child is a fork of some
milliseconds. The forkserver of ``multiprocessing`` would do, but each of its children
runs the main script of the caller again, and inherits all of its environment.

It waits for one byte at a time: :data:`FORK`, sent along with a socket, forks a child
that has the other end of it; :data:`REAP` and a process id waits for that child to die.
As no child is forgotten before, its id belongs to nobody else until then. Both answer
with a number of 8 bytes: the process id, or the exit code (below 0: of a signal).
"""

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from rsvlm.errors import SettingsError

FORK, REAP = b"f", b"r"
#: What it sees of the environment: no keys, and no settings of GDAL.
_ENVIRONMENT = (
    "PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "PYTHONHOME", "VIRTUAL_ENV", "GDAL_DATA", "PROJ_DATA", "PROJ_LIB",
)  # fmt: skip
#: Drivers that read other files or the network; only one of ours is tried anyway.
SKIPPED = "VRT,WMS,WCS,WMTS,HTTP,STACIT,STACTA,DAAS,EEDA"


class Forker:
    """Forks children from a process of its own.

    .. versionadded:: 0.2
    """

    def __init__(self) -> None:
        """Start the process; it gets ready while the caller goes on.

        Raises:
            SettingsError: If this system cannot fork.
        """
        if not hasattr(os, "fork"):
            raise SettingsError(
                "Files of strangers are decoded in forked processes, which this system "
                "does not have. Run the server on Linux or macOS, or in WSL."
            )
        self._lock = threading.Lock()
        self._control, theirs = socket.socketpair()
        packages = Path(__file__).resolve().parents[1]
        environment = {n: os.environ[n] for n in _ENVIRONMENT if n in os.environ}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", "from rsvlm.sandbox_forker import run; run()"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                # Libraries print texts of files to stderr, which is the server's log.
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the server, which ends it
                env={
                    **environment,
                    "PYTHONPATH": str(packages),
                    "GDAL_SKIP": SKIPPED,
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                },
            )
        self._end = weakref.finalize(self, _end, self._control, self._process)

    def fork(self, link: socket.socket) -> int:
        """Fork a child and return its process id.

        Args:
            link: What the child talks over; the caller may close it.

        Raises:
            OSError: If the process is gone.
        """
        with self._lock:
            socket.send_fds(self._control, [FORK], [link.fileno()])
            return self._number()

    def end(self, child: int) -> int | None:
        """Kill a child, and return the exit code of its end, by whatever it was.

        Returns:
            None if the process is gone: children end then when their links close.
        """
        with self._lock, suppress(OSError):
            if self._process.poll() is None:
                os.kill(child, signal.SIGKILL)
                self._control.sendall(REAP + child.to_bytes(8, "little", signed=True))
                return self._number()
        return None

    def _number(self) -> int:
        data = self._control.recv(8, socket.MSG_WAITALL)
        if len(data) < 8:
            raise ConnectionError("the process that forks has ended")
        return int.from_bytes(data, "little", signed=True)

    def close(self) -> None:
        """End the process; children end when their links are closed."""
        self._end()


def _end(control: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    control.close()
    process.kill()
    process.wait()


def run() -> None:
    """Fork and reap as asked, until the other end is closed; standard input is it."""
    from rsvlm.sandbox_child import prepare, serve

    control = socket.socket(fileno=os.dup(0))
    prepare()
    gc.freeze()  # children share the memory
    while True:
        call, links, _, _ = socket.recv_fds(control, 1, 1)
        if call == FORK:
            child = os.fork()
            if not child:
                control.close()
                os.close(0)
                serve(socket.socket(fileno=links[0]))
                os._exit(0)
            os.close(links[0])
            control.sendall(child.to_bytes(8, "little", signed=True))
        elif call == REAP:
            number = control.recv(8, socket.MSG_WAITALL)
            child = int.from_bytes(number, "little", signed=True)
            _, status = os.waitpid(child, 0)
            code = os.waitstatus_to_exitcode(status)
            control.sendall(code.to_bytes(8, "little", signed=True))
        else:
            return
