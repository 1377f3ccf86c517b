"""A pool of replicas on Ray: each its own backend, on one machine or a cluster.

The process that types the command plans, hands out groups as replicas become free, and alone writes
the run. What a lost replica was asked is asked of another; answers come only with a whole hand, so
none is lost and none comes twice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from evalkit.backends.base import Backend
from evalkit.config import MODEL_KEYS
from evalkit.engines.base import Crew, Keep, Mark
from evalkit.engines.grouping import groups
from evalkit.engines.plan import Ask
from evalkit.engines.pool import Hand, Pool
from evalkit.errors import BackendError, UsageError, one_line

__all__ = ["RayCrew", "RayEngine", "StandIn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RayEngine:
    """Shares groups out over replicas."""

    name: str = "ray"
    """What the manifest calls it."""
    replicas: int | None = None
    """How many; ``None`` is as many as the cluster has accelerators or processors for."""
    gpus: float | None = None
    """Accelerators of each; ``None`` is 1 where there are any."""
    cpus: float = 1
    """Processors of each."""
    address: str | None = None
    """The cluster's; ``None`` starts one on this machine."""
    batch: int = 8
    """Groups that a replica is handed at once."""
    ahead: int = 2
    """Hands that wait at each replica, so that it never does."""
    retries: int = 3
    """How often what a lost replica was asked is asked elsewhere."""

    @contextmanager
    def open(self, config: Mapping[str, Any]) -> Iterator[Crew]:
        """Start the replicas of a run, and end them after it.

        Raises:
            UsageError: Ray is not installed, or the cluster is too small.
            BackendError: the cluster cannot be reached, or no replica starts.
        """
        for name in ("replicas", "batch", "ahead"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"engine.{name} must be positive, not {value}")
        model = {key: value for key, value in config["model"].items() if key not in MODEL_KEYS}
        with connected(self.address) as ray:
            pool = self._pool(ray, model, config.get("data"))
            try:
                yield RayCrew(pool=pool, batch=self.batch, name=self.name)
            finally:
                pool.close()

    def _pool(self, ray: Any, model: Mapping[str, Any], data: Any) -> Pool:
        """Return the replicas, the first of them ready."""
        from evalkit.engines.replica import Replica

        have = ray.cluster_resources()
        gpus = self.gpus if self.gpus is not None else float(have.get("GPU", 0) >= 1)
        room = have.get("GPU", 0) / gpus if gpus else have.get("CPU", 1) / self.cpus
        count = self.replicas or max(1, int(room))
        if count > room:
            unit = f"engine.gpus={gpus:g}" if gpus else f"engine.cpus={self.cpus:g}"
            raise UsageError(
                f"engine.replicas={count}: the cluster has room for {int(room)} with {unit} each"
            )
        actor = ray.remote(Replica).options(num_cpus=self.cpus, num_gpus=gpus)
        make: Callable[[], Any] = lambda: actor.remote(dict(model), data)  # noqa: E731
        return Pool(ray=ray, make=make, count=count, ahead=self.ahead, retries=self.retries)


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Give Ray, connected to a cluster; one that was started for the run ends with it."""
    try:
        import ray
    except ImportError as error:
        raise UsageError("engine=ray needs Ray: pip install 'evalkit-vl[ray]'") from error
    if ray.is_initialized():
        yield ray
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without it Ray warns that a later release will leave the devices of such processes alone.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    here: dict[str, Any] = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level=40, **here)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise BackendError(f"engine.address={address}: {one_line(error, 160)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """A backend that is elsewhere: what the replicas are, without a model in this process."""

    identity: Mapping[str, Any]
    """What a replica says of itself."""
    facts: Mapping[str, Any]
    """What else it says."""

    def __enter__(self) -> StandIn:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Do nothing: the pool ends the replicas."""

    def generate(self, groups: Iterable[Sequence[Any]]) -> Iterator[Any]:
        """Refuse: the replicas answer."""
        raise BackendError("the model is in the replicas: ask through the engine")


@dataclass(frozen=True, slots=True, kw_only=True)
class RayCrew:
    """The process that writes the run, with its replicas."""

    pool: Pool
    """The replicas."""
    batch: int
    """Groups that a replica is handed at once."""
    name: str
    """The engine's name."""

    @property
    def leads(self) -> bool:
        """Whether this process writes the run: it alone does."""
        return True

    @property
    def facts(self) -> Mapping[str, Any]:
        """The engine's name, and how many replicas there are."""
        return {"name": self.name, "processes": self.pool.count}

    def meet(self) -> None:
        """Do nothing: replicas wait for what they are handed."""

    def backend(self, own: Backend) -> Backend:
        """Return what stands in for the backend, so that this process need not load it.

        Raises:
            UsageError: a setting of the model cannot work.
            BackendError: no replica starts.
        """
        del own
        identity, facts = self.pool.introduce()
        return StandIn(identity=identity, facts=facts)

    def evaluate(self, pending: Iterable[Ask], backend: Backend, mark: Mark, keep: Keep) -> float:
        """Ask everything pending of the replicas; see ``Crew.evaluate``."""
        del backend
        for asks, responses in self.pool.run(hands(groups(pending), self.batch)):
            answers = {response.id: response for response in responses}
            for item in asks:
                response = answers.get(item.request.id)
                if response is None:
                    raise BackendError(f"a replica left {item.request.id} unanswered")
                response = item.stamp(response)
                keep(response, mark(item, response))
        return self.pool.waited


def hands(planned: Iterable[list[Ask]], most: int) -> Iterator[Hand]:
    """Yield groups, so many together."""
    held: list[list[Ask]] = []
    for group in planned:
        held.append(group)
        if len(held) == most:
            yield Hand(groups=held)
            held = []
    if held:
        yield Hand(groups=held)
