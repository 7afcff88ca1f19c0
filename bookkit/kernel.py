"""The Jupyter kernel of a batch run: this very Python, no TCP ports, no life after its parent."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager


class PrivateKernelManager(AsyncKernelManager):
    """Starts `sys.executable -m ipykernel_launcher`, whatever kernels the user has registered.

    Sockets are files in `folder`, private to one run: kernels started side by side on TCP lose
    about one run in twenty to a port that another took first. The kernel watches the process
    named in JPY_PARENT_PID and ends when that ends, SIGKILL included.
    """

    folder: Path

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.connection_file = str(self.folder / "kernel.json")
        if sys.platform != "win32":
            self.transport = "ipc"
            self.ip = str(self.folder / "socket")  # "-<number>" is added for each channel

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            display_name="Python 3",
            language="python",
        )

    async def _async_start_kernel(self, **kwargs: Any) -> None:
        environment = dict(kwargs.pop("env", None) or os.environ)
        environment["JPY_PARENT_PID"] = str(os.getpid())
        # User start-up files would make a run depend on who runs it.
        environment["IPYTHONDIR"] = str(self.folder)
        await super()._async_start_kernel(env=environment, **kwargs)

    start_kernel = _async_start_kernel


def private_kernel(folder: Path | str) -> type[PrivateKernelManager]:
    """A kernel manager class that keeps its connection file and sockets in `folder`."""
    return type("KernelIn", (PrivateKernelManager,), {"folder": Path(folder)})
