"""Small mistakes in Python: the operators of the literature on a syntax tree, by LibCST, so that a diff stays small.

From Offutt et al., "An experimental determination of sufficient mutant operators" (1996), and what teams do beside: an
await, a decorator or a lock too few, a unit or a zone mistaken, an argument forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, ParentNodeProvider, PositionProvider

from harness.prove.source.edit import SourceChange, SourceEdit
from harness.prove.source.sql import sql_changes

_Change = cst.CSTNode | cst.FlattenSentinel[cst.CSTNode] | cst.RemovalSentinel
_Found = Iterator[tuple[str, _Change]]

_BOUNDARY: Mapping[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.LessThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.LessThan,
    cst.GreaterThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.GreaterThan,
}
_OPPOSITE: Mapping[type[cst.BaseCompOp], type[cst.BaseCompOp]] = {
    cst.Equal: cst.NotEqual,
    cst.NotEqual: cst.Equal,
    cst.LessThan: cst.GreaterThanEqual,
    cst.GreaterThanEqual: cst.LessThan,
    cst.GreaterThan: cst.LessThanEqual,
    cst.LessThanEqual: cst.GreaterThan,
    cst.Is: cst.IsNot,
    cst.IsNot: cst.Is,
    cst.In: cst.NotIn,
    cst.NotIn: cst.In,
}
_ARITHMETIC: Mapping[type[cst.BaseBinaryOp], type[cst.BaseBinaryOp]] = {
    cst.Add: cst.Subtract,
    cst.Subtract: cst.Add,
    cst.Multiply: cst.FloorDivide,
    cst.FloorDivide: cst.Multiply,
    cst.Divide: cst.Multiply,
    cst.Modulo: cst.FloorDivide,
}
_ZONES = frozenset({"UTC", "timezone.utc", "datetime.UTC", "datetime.timezone.utc"})
_PASS = cst.SimpleStatementLine([cst.Pass()])
_SECONDS_OF_A_MINUTE, _THOUSAND = 60, 1000
_NO_PROGRAM = frozenset({"__all__", "__version__", "TYPE_CHECKING"})


class PythonFile:
    """A file of Python, and every change that an operator can make to it."""

    def __init__(self, name: str, text: str) -> None:
        """Raises SyntaxError for text that is no Python."""
        try:
            self._wrapper = MetadataWrapper(cst.parse_module(text))
        except cst.ParserSyntaxError as error:
            raise SyntaxError(f"line {error.raw_line}: {error.message}") from None
        self._name, self._text = name, text
        self._places = _Places(self._wrapper)

    def changes(self) -> Iterator[SourceChange]:
        """What can be changed, in the file's order."""
        for node in self._places.in_order():
            for operator, change in _changes(node, self._places):
                yield SourceChange(operator=operator, make=partial(self._edit, operator, node, change))

    def _edit(self, operator: str, node: cst.CSTNode, change: _Change) -> SourceEdit | None:
        after = self._wrapper.module.visit(_Replacement(node, change))
        if not isinstance(after, cst.Module) or after.code == self._text or not _compiles(after.code):
            return None
        first, last = self._places.lines(node)
        return SourceEdit(
            file=self._name,
            operator=operator,
            first=first,
            last=last,
            names=self._places.names(node),
            runs_at=self._places.function(node),
            before=self._text,
            after=after.code,
        )


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


class _Replacement(cst.CSTTransformer):
    """Puts one thing in the place of one node."""

    def __init__(self, node: cst.CSTNode, change: _Change) -> None:
        super().__init__()
        self._node, self._change = node, change

    def on_leave(
        self,
        original_node: cst.CSTNodeT,
        updated_node: cst.CSTNodeT,
    ) -> cst.CSTNodeT | cst.RemovalSentinel | cst.FlattenSentinel[cst.CSTNodeT]:
        if original_node is self._node:
            return self._change  # type: ignore[return-value]  # whatever the operator found fits its place
        return updated_node


class _Places:
    """Where each node of a module stands, and what it belongs to."""

    def __init__(self, wrapper: MetadataWrapper) -> None:
        self._positions: Mapping[cst.CSTNode, CodeRange] = wrapper.resolve(PositionProvider)
        self._parents: Mapping[cst.CSTNode, cst.CSTNode] = wrapper.resolve(ParentNodeProvider)

    def in_order(self) -> list[cst.CSTNode]:
        """Nodes that run, as they stand in the file: no annotation, no docstring, nothing for type checkers alone."""
        found = [node for node in self._positions if not any(map(self._is_silent, (node, *self.above(node))))]
        return sorted(found, key=lambda node: (self.lines(node), str(type(node))))

    def above(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """What the node stands in, from the innermost."""
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent

    def lines(self, node: cst.CSTNode) -> tuple[int, int]:
        """First and last line."""
        at = self._positions[node]
        return at.start.line, at.end.line

    def parent(self, node: cst.CSTNode) -> cst.CSTNode | None:
        """What the node stands in."""
        return self._parents.get(node)

    def function(self, node: cst.CSTNode) -> tuple[int, int]:
        """The lines of the body of the function to whose head the node belongs; (0, 0) if it is in no head."""
        below: cst.CSTNode = node
        for one in self.above(node):
            if isinstance(one, cst.FunctionDef):
                return (0, 0) if below is one.body else self.lines(one.body)
            below = one
        return 0, 0

    def names(self, node: cst.CSTNode) -> tuple[str, ...]:
        """What is bound by the statement of a module or class that the node is in; none within a function."""
        found: list[str] = []
        for one in (node, *self.above(node)):
            match one:
                case cst.FunctionDef():
                    return () if self.function(node) == (0, 0) else (one.name.value,)
                case cst.Assign():
                    found += [target.target.value for target in one.targets if isinstance(target.target, cst.Name)]
                case cst.AnnAssign(target=cst.Name(value=name)):
                    found.append(name)
                case cst.ClassDef() if not found:
                    found.append(one.name.value)
        return tuple(found)

    def _is_silent(self, node: cst.CSTNode) -> bool:
        match node:
            case cst.Annotation() | cst.ImportFrom() | cst.Import():
                return True
            case cst.Expr(value=cst.SimpleString() | cst.ConcatenatedString()):
                return True
            case cst.If(test=cst.Name(value="TYPE_CHECKING")):
                return True
            case cst.Assign(targets=[cst.AssignTarget(target=cst.Name(value=name))]) if name in _NO_PROGRAM:
                return True
        return False


def _changes(node: cst.CSTNode, places: _Places) -> _Found:
    for kind, operators in _OPERATORS:
        if isinstance(node, kind):
            for operator in operators:
                yield from operator(node, places)


# --- expressions


def _comparisons(node: cst.ComparisonTarget, _places: _Places) -> _Found:
    for name, table in (("boundary", _BOUNDARY), ("comparison", _OPPOSITE)):
        other = table.get(type(node.operator))
        if other is not None:
            yield name, node.with_changes(operator=other())


def _arithmetic(node: cst.BinaryOperation, _places: _Places) -> _Found:
    other = _ARITHMETIC.get(type(node.operator))
    texts = (cst.BaseString, cst.FormattedString, cst.ConcatenatedString)
    if other is not None and not any(isinstance(side, texts) for side in (node.left, node.right)):
        yield "arithmetic", node.with_changes(operator=other())


def _booleans(node: cst.BooleanOperation, _places: _Places) -> _Found:
    other = cst.Or() if isinstance(node.operator, cst.And) else cst.And()
    yield "and-or", node.with_changes(operator=other)
    yield "operand-dropped", node.left
    yield "operand-dropped", node.right


def _negations(node: cst.UnaryOperation, _places: _Places) -> _Found:
    if isinstance(node.operator, cst.Not):
        yield "condition-negated", node.expression


def _integers(node: cst.Integer, _places: _Places) -> _Found:
    value = node.evaluated_value
    yield "constant", cst.Integer(str(value + 1))
    if value > 0:
        yield "constant", cst.Integer(str(value - 1))
    for unit in (_SECONDS_OF_A_MINUTE, _THOUSAND):
        if value > 1:
            yield "unit", cst.Integer(str(value * unit))
        if value >= unit and value % unit == 0:
            yield "unit", cst.Integer(str(value // unit))


def _floats(node: cst.Float, _places: _Places) -> _Found:
    value = node.evaluated_value
    yield "constant", cst.Float(repr(value + 1))
    for unit in (_SECONDS_OF_A_MINUTE, _THOUSAND):
        yield "unit", cst.Float(repr(value * unit))


def _names(node: cst.Name, places: _Places) -> _Found:
    if node.value in ("True", "False"):
        # the name of a keyword is no value
        parent = places.parent(node)
        if not (isinstance(parent, cst.Arg) and parent.keyword is node):
            yield "flag", cst.Name("False" if node.value == "True" else "True")


def _fewer_arguments(node: cst.Call, _places: _Places) -> _Found:
    kept = node.args
    for number, argument in enumerate(kept):
        rest = [one for place, one in enumerate(kept) if place != number]
        if argument.keyword is not None:
            yield "argument-dropped", node.with_changes(args=_closed(rest))
        elif _code(argument.value) in _ZONES:
            yield "zone-dropped", node.with_changes(args=_closed(rest))


def _swapped_arguments(node: cst.Call, _places: _Places) -> _Found:
    kept = node.args
    plain = [one for one in kept if one.keyword is None and not one.star]
    for first, second in pairwise(plain):
        if _code(first.value) == _code(second.value):
            continue
        values = {id(first): second.value, id(second): first.value}
        swapped = [one.with_changes(value=values[id(one)]) if id(one) in values else one for one in kept]
        yield "arguments-swapped", node.with_changes(args=swapped)


def _fewer_calls(node: cst.Call, places: _Places) -> _Found:
    if isinstance(node.func, cst.Attribute) and not node.args and not isinstance(places.parent(node), cst.Await):
        # name.strip() -> name
        yield "method-dropped", node.func.value


def _elements(node: cst.BaseExpression, _places: _Places) -> _Found:
    elements: Sequence[Any] = getattr(node, "elements", ())
    for number in range(len(elements)):
        rest = [one for place, one in enumerate(elements) if place != number]
        if rest and not (isinstance(node, cst.Tuple) and len(rest) == 1):
            rest = [*rest[:-1], rest[-1].with_changes(comma=elements[-1].comma)]
            yield "element-dropped", node.with_changes(elements=rest)


def _alternatives(node: cst.IfExp, _places: _Places) -> _Found:
    yield "condition-negated", node.with_changes(test=_negated(node.test))
    yield "branch", node.body
    yield "branch", node.orelse


def _filters(node: cst.CompFor, _places: _Places) -> _Found:
    if node.ifs:
        yield "condition-dropped", node.with_changes(ifs=node.ifs[1:])


def _texts(node: cst.SimpleString | cst.FormattedString, _places: _Places) -> _Found:
    code = _code(node)
    for operator, changed in sql_changes(code):
        yield operator, cst.parse_expression(changed)
    if isinstance(node, cst.SimpleString) and node.raw_value.isdecimal():
        # a setting's default, as the environment would say it
        for operator, number in _integers(cst.Integer(str(int(node.raw_value))), _places):
            if isinstance(number, cst.Integer):
                yield operator, node.with_changes(value=f'"{number.value}"')


# --- statements


def _lines(node: cst.SimpleStatementLine, _places: _Places) -> _Found:
    if len(node.body) != 1:
        return
    match node.body[0]:
        case cst.Expr(value=cst.Await(expression=cst.Call()) as waited):
            yield "call-dropped", node.with_changes(body=[cst.Pass()])
            yield "await-dropped", node.with_changes(body=[cst.Expr(waited.expression)])
        case cst.Expr(value=cst.Call()):
            yield "call-dropped", node.with_changes(body=[cst.Pass()])
        case cst.AugAssign():
            yield "assignment-dropped", node.with_changes(body=[cst.Pass()])
        case cst.Raise(exc=exc) if exc is not None:
            yield "raise-dropped", node.with_changes(body=[cst.Pass()])
        case cst.Return(value=value) if value is not None and _code(value) != "None":
            yield "return-nothing", node.with_changes(body=[cst.Return(cst.Name("None"))])
        case cst.Continue():
            yield "loop", node.with_changes(body=[cst.Break()])
        case cst.Break():
            yield "loop", node.with_changes(body=[cst.Continue()])


def _conditions(node: cst.If | cst.While, places: _Places) -> _Found:
    yield "condition-negated", node.with_changes(test=_negated(node.test))
    if isinstance(node, cst.If) and node.orelse is None and not isinstance(places.parent(node), cst.If):
        yield "branch", _flat(node.body)


def _locks(node: cst.With, _places: _Places) -> _Found:
    if all(item.asname is None for item in node.items) and isinstance(node.body, cst.IndentedBlock):
        empty = node.with_changes(body=cst.IndentedBlock([_PASS]))
        yield "released-early", cst.FlattenSentinel([empty, *node.body.body])
        yield "with-dropped", _flat(node.body)


def _handlers(node: cst.ExceptHandler, places: _Places) -> _Found:
    again = cst.IndentedBlock([cst.SimpleStatementLine([cst.Raise()])])
    yield "except-dropped", node.with_changes(body=again)
    if isinstance(places.parent(node), cst.Try) and _code(node.body).strip() != "pass":
        yield "except-silent", node.with_changes(body=cst.IndentedBlock([_PASS]))


def _decorators(_node: cst.Decorator, _places: _Places) -> _Found:
    yield "decorator-dropped", cst.RemoveFromParent()


def _defaults(node: cst.Param, _places: _Places) -> _Found:
    if node.default is not None and _code(node.default) not in ("None", "True", "False"):
        yield "default", node.with_changes(default=cst.Name("None"))


def _negated(test: cst.BaseExpression) -> cst.BaseExpression:
    bare = test if test.lpar else test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.UnaryOperation(cst.Not(), bare)


def _flat(body: cst.BaseSuite) -> cst.FlattenSentinel[cst.CSTNode]:
    if isinstance(body, cst.IndentedBlock):
        return cst.FlattenSentinel(list(body.body))
    return cst.FlattenSentinel([cst.SimpleStatementLine(list(body.body))])  # type: ignore[arg-type]


def _closed(arguments: Iterable[cst.Arg]) -> list[cst.Arg]:
    found = list(arguments)
    return [*found[:-1], found[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)] if found else []


def _code(node: cst.CSTNode) -> str:
    return cst.Module([]).code_for_node(node)


_Operator = Callable[[cst.CSTNode, _Places], _Found]
_OPERATORS: tuple[tuple[type[cst.CSTNode], tuple[_Operator, ...]], ...] = (  # type: ignore[assignment]  # each its own
    (cst.ComparisonTarget, (_comparisons,)),
    (cst.BinaryOperation, (_arithmetic,)),
    (cst.BooleanOperation, (_booleans,)),
    (cst.UnaryOperation, (_negations,)),
    (cst.Integer, (_integers,)),
    (cst.Float, (_floats,)),
    (cst.Name, (_names,)),
    (cst.Call, (_fewer_arguments, _swapped_arguments, _fewer_calls)),
    (cst.Dict, (_elements,)),
    (cst.List, (_elements,)),
    (cst.Set, (_elements,)),
    (cst.Tuple, (_elements,)),
    (cst.IfExp, (_alternatives,)),
    (cst.CompFor, (_filters,)),
    (cst.SimpleString, (_texts,)),
    (cst.FormattedString, (_texts,)),
    (cst.SimpleStatementLine, (_lines,)),
    (cst.If, (_conditions,)),
    (cst.While, (_conditions,)),
    (cst.With, (_locks,)),
    (cst.ExceptHandler, (_handlers,)),
    (cst.Decorator, (_decorators,)),
    (cst.Param, (_defaults,)),
)
