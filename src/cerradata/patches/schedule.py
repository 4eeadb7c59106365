"""Where the blocks of a build run: in threads, in processes of this machine, or on a dask cluster."""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import dask
from distributed import Client, KilledWorker, LocalCluster, as_completed

from cerradata.core.errors import BuildError, CerradataError, ConfigError
from cerradata.patches.block import BlockResult, build_block
from cerradata.patches.cut import Block
from cerradata.patches.plan import BuildPlan

_FEW_BLOCKS = 4
"""So many blocks are done before processes have started, which takes three seconds."""
_AHEAD = 3
"""Blocks a worker that wait at the cluster, so that none is idle; a kill costs no more than these."""
_WORKER_ENVIRONMENT = {
    "distributed.nanny.pre-spawn-environ": {
        # dask's own setting of the first makes glibc ask the system for each array anew: blocks took 1.5 times as long
        "MALLOC_TRIM_THRESHOLD_": "536870912",
        "MALLOC_MMAP_THRESHOLD_": "33554432",  # the largest that glibc takes
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
}


def check_scheduler(name: str, workers: int) -> None:
    """Raise `ConfigError` unless a scheduler is "threads", "processes" or the address of a dask scheduler that answers."""
    if workers < 1:
        raise ConfigError(f"workers is {workers}: give 1 or more.")
    if name not in ("threads", "processes") and "://" not in name:
        raise ConfigError(
            f"There is no scheduler {name!r}: give threads, processes, or the address of a dask scheduler (tcp://host:8786)."
        )
    if "://" in name:
        _connected(name).close()


def run_blocks(
    plan: BuildPlan, blocks: Sequence[Block], *, scheduler: str, workers: int, strict: bool
) -> Iterator[BlockResult]:
    """Build blocks, in any order. What comes of a block does not depend on where it runs.

    Args:
        plan: The build.
        blocks: The blocks.
        scheduler: "threads", "processes" (dask.distributed on this machine, one block each at a time), or the address of a
            dask scheduler ("tcp://host:8786") whose workers see the same files and have the same software. The first two
            are the same where there are only a few blocks.
        workers: Threads or processes of this machine.
        strict: Let the first unreadable file end the build.

    Raises:
        ConfigError: If the scheduler does not answer.
        CerradataError: What `build_block` raises.
    """
    if "://" in scheduler:
        with _connected(scheduler) as client:
            yield from _on_cluster(client, plan, blocks, strict=strict)
    elif scheduler == "processes" and workers > 1 and len(blocks) > _FEW_BLOCKS:
        # No dashboard: a build needs no open port. No memory limit: a worker that uses much is not stopped by force.
        options = {
            "threads_per_worker": 1,
            "dashboard_address": None,
            "memory_limit": 0,
            "silence_logs": logging.CRITICAL,
        }
        with (
            dask.config.set(_WORKER_ENVIRONMENT),
            LocalCluster(n_workers=workers, processes=True, **options) as cluster,
            Client(cluster) as client,
        ):
            yield from _on_cluster(client, plan, blocks, strict=strict)
    else:
        yield from _in_threads(plan, blocks, workers, strict=strict)


def _in_threads(plan: BuildPlan, blocks: Sequence[Block], workers: int, *, strict: bool) -> Iterator[BlockResult]:
    work = partial(build_block, plan, strict=strict)
    if workers <= 1:
        yield from map(work, blocks)
        return
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(work, blocks)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _on_cluster(client: Client, plan: BuildPlan, blocks: Sequence[Block], *, strict: bool) -> Iterator[BlockResult]:
    # The plan as the result of a task, not as scattered data: it comes back when the worker that holds it is lost.
    shared = client.submit(_itself, plan, pure=False)
    waiting = iter(blocks)
    work = partial(client.submit, _outcome, shared, strict=strict, pure=False)
    slots = max(1, sum(client.nthreads().values()))
    running = as_completed([work(block) for block in islice(waiting, slots * _AHEAD)])
    for future in running:
        try:
            outcome = future.result()
        except KilledWorker as error:
            raise BuildError(
                f"Worker processes were killed several times while they worked on one block ({error}): most often memory is "
                "short. Give fewer --workers. The same command goes on where it was."
            ) from error
        if isinstance(outcome, CerradataError):
            raise outcome
        yield outcome
        for block in islice(waiting, 1):
            running.add(work(block))


def _connected(address: str) -> Client:
    try:
        with dask.config.set({"distributed.comm.timeouts.connect": "10s"}):
            return Client(address)
    except OSError as error:
        raise ConfigError(
            f"No dask scheduler answers at {address} ({error}): start one with `dask scheduler`, and `dask worker {address}` "
            "on each machine."
        ) from error


def _outcome(plan: BuildPlan, block: Block, *, strict: bool) -> BlockResult | CerradataError:
    """What comes of a block, or the error: what GDAL raised before it cannot be sent between processes."""
    try:
        return build_block(plan, block, strict=strict)
    except CerradataError as error:
        return type(error)(str(error))


def _itself(plan: BuildPlan) -> BuildPlan:
    return plan
