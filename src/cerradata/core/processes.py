"""Worker processes that do not outlive the process that started them."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """In a worker process: end it when the process that started it is gone. One that was killed cannot tell its workers."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
