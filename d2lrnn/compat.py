"""What MXNet 1.9.1 needs at import, supplied where today's Python or NumPy lack it.

MXNet's last release is a shared library and pure Python, so no Python is too new for it as such: all that
stops it is names that are gone. `import d2lrnn` hooks into the import of mxnet, by any module. The hook
supplies these names, and takes them away again once mxnet is loaded:

    read in                        what                             gone since     supplied
    mxnet.numpy.utils              PZERO NZERO PINF NINF NAN NaN    NumPy 2.0      0.0 -0.0 inf -inf nan nan
    mxnet.gluon.contrib.estimator  Inf                              NumPy 2.0      inf
    mxnet.numpy.fallback           alltrue msort                    NumPy 2.0      all, sort along axis 0
    mxnet.numpy.fallback           in1d trapz                       NumPy 2.4      isin, trapezoid
    mxnet.numpy.fallback           mirr npv pmt ppmt pv rate        NumPy 2.0      a function that refuses
    mxnet.numpy_dispatch_protocol  product round_ sometrue          NumPy 2.0      prod, round, any
    mxnet.numpy_dispatch_protocol  distutils.version.LooseVersion   Python 3.12    packaging.version.Version
    mxnet.numpy_op_fallback        distutils.version.StrictVersion  Python 3.12    packaging.version.Version
    mxnet.numpy.utils, and other modules whenever they work:
                                   bool                             1.24 to 1.26   bool_, which stays

Where NumPy or Python still have a name, it is left alone. SciPy is hidden in the meantime: mxnet compares
each array with scipy.sparse.csr.csr_matrix, a name that SciPy is about to remove; without SciPy it does not.
"""

from __future__ import annotations

import contextlib
import functools
import re
import shlex
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

INSTALL = "pip install --no-deps mxnet==1.9.1"
SYSTEM_LIBRARIES = "apt install libgomp1 libquadmath0 (Fedora: dnf install libgomp libquadmath)"
STAYS = "bool"  # mxnet reads it when it works, too


class CannotLoad(ImportError):
    """mxnet cannot be loaded; the message is one line that says what would help."""


def supply_numpy(numpy: types.ModuleType) -> list[str]:
    """Give numpy the names that mxnet reads and that it lacks; return those to take away again."""
    supplied = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some names still exist, but warn
        for name, value in stand_ins(numpy).items():
            if not hasattr(numpy, name):
                setattr(numpy, name, value)
                supplied.append(name)
    return [name for name in supplied if name != STAYS]


def stand_ins(np: Any) -> dict[str, Any]:
    """What takes the place of each name that mxnet reads and a newer NumPy lacks."""
    financial = ("mirr", "npv", "pmt", "ppmt", "pv", "rate")
    return {
        "PZERO": 0.0,
        "NZERO": -0.0,
        "PINF": np.inf,
        "NINF": -np.inf,
        "Inf": np.inf,
        "NAN": np.nan,
        "NaN": np.nan,
        "bool": np.bool_,
        # partial: mxnet keys a table by these functions, in which np.any must keep an entry of its own
        "sometrue": functools.partial(np.any),
        "alltrue": functools.partial(np.all),
        "product": functools.partial(np.prod),
        "round_": functools.partial(np.round),
        "in1d": functools.partial(np.isin),
        "msort": functools.partial(np.sort, axis=0),
        "trapz": lambda *arguments, **options: np.trapezoid(*arguments, **options),
        **{name: _gone(name) for name in financial},
    }


def _gone(name: str) -> Callable[..., None]:
    def raise_error(*_: Any, **__: Any) -> None:
        raise NotImplementedError(f"{name} has left NumPy: use the package numpy-financial")

    return raise_error


@contextlib.contextmanager
def supplied_names() -> Iterator[None]:
    """Within the block, numpy and distutils have what mxnet reads, without deprecation warnings."""
    import numpy

    names = supply_numpy(numpy)
    modules: dict[str, Any] = {"scipy": None, **_distutils()}
    before = {name: sys.modules[name] for name in modules if name in sys.modules}
    sys.modules.update(modules)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            yield
    finally:
        for name in names:
            delattr(numpy, name)
        for name in modules:
            del sys.modules[name]
        sys.modules.update(before)


def _distutils() -> dict[str, types.ModuleType]:
    if sys.version_info < (3, 12):
        return {}
    from packaging.version import Version

    package, version = types.ModuleType("distutils"), types.ModuleType("distutils.version")
    vars(package).update(__path__=[], version=version)
    vars(version).update(StrictVersion=Version, LooseVersion=Version)
    return {module.__name__: module for module in (package, version)}


class MXNetFinder:
    """Finds mxnet, and has it loaded with the names it needs. Comes first in sys.meta_path."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """The spec of mxnet; of everything else None.

        Raises:
            CannotLoad: it is not installed, or has failed in this process before.
        """
        if name != "mxnet":
            return None
        loaded = list(sys.modules)
        if name not in loaded and any(module.startswith("mxnet.") for module in loaded):
            raise CannotLoad(
                "mxnet failed to load in this process before, perhaps because it was imported before d2lrnn: "
                "restart Python (the kernel), and import d2lrnn first"
            )
        spec = PathFinder.find_spec(name)
        if spec is None or spec.loader is None:
            raise CannotLoad(f"MXNet is not installed: {shlex.quote(sys.executable)} -m {INSTALL}", name=name)
        load = spec.loader.exec_module

        def exec_module(module: types.ModuleType) -> None:
            with supplied_names(), _missing_libraries():
                load(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


@contextlib.contextmanager
def _missing_libraries() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        for name in [name for name in sys.modules if name.startswith("mxnet.")]:
            del sys.modules[name]  # so that the next import gets the same answer
        remedy = f": {SYSTEM_LIBRARIES}" if re.search("libgomp|libquadmath", str(error)) else ""
        raise CannotLoad(f"MXNet's library cannot be loaded: {error}{remedy}", name="mxnet") from None


def install() -> None:
    """Hook into the import of mxnet, once."""
    if MXNetFinder not in sys.meta_path:
        sys.meta_path.insert(0, MXNetFinder)
