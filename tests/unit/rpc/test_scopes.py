"""The table of scopes has every method that a server answers to, and no other."""

from soutu.domain.access import Scope
from soutu.rpc.scopes import SCOPES
from soutu.rpc.server import SERVICES
from tests.flows.methods import METHODS, path_of


def test_every_method_of_every_service_has_its_scope() -> None:
    assert {path_of(method) for method in METHODS} == SCOPES.keys()


def test_every_service_that_is_served_is_in_the_table() -> None:
    assert {method.split("/")[1] for method in SCOPES} - set(SERVICES) == {
        "grpc.reflection.v1alpha.ServerReflection"
    }


def test_each_scope_is_needed_by_some_method() -> None:
    assert set(SCOPES.values()) == set(Scope)
