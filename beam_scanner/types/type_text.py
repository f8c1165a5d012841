"""Element types from the text under which stored streams remember them.

The text is read, never run: a database may come from strangers.
"""

from __future__ import annotations

import ast

from beam_scanner.errors import ElementTypeError
from beam_scanner.types.annotations import TIMES, leaf, literal
from beam_scanner.types.codecs.class_codecs import (
    DATACLASS,
    ENUM,
    FLAG,
    NAMED_TUPLE,
    EnumCodec,
    RecordCodec,
    TypedDictCodec,
    find_class,
    optional,
)
from beam_scanner.types.codecs.number_codecs import (
    DTYPES,
    NumberCodec,
    Shape,
    ShapedArrayCodec,
)
from beam_scanner.types.codecs.structured import (
    CLASSES,
    DictCodec,
    LeafCodec,
    ListCodec,
    NoneCodec,
    StructuredCodec,
    TupleCodec,
)
from beam_scanner.types.codecs.time_codecs import DatetimeCodec, zone_of
from beam_scanner.types.type_info import ScannerTypeInfo, registered_name

_LONGEST = 1 << 20
_TIMES = {codec.text: codec for codec in TIMES.values()}


def info_of_text(text: str, load: bool = False) -> ScannerTypeInfo:
    """The type of a text.

    Args:
        text: ``name`` of a type that an annotation stands for.
        load: Whether modules may be imported that classes in it come from.

    Raises:
        ElementTypeError: It is no such text.

    Examples:
        >>> info_of_text("dict[str, list[float | None]]").deserialize.__name__
        'deserialize'
    """
    codec = codec_of_text(text, load)
    return codec.base if isinstance(codec, LeafCodec) else codec.info(codec, text)


def codec_of_text(text: str, load: bool = False) -> StructuredCodec:
    """The codec of a text; see :func:`info_of_text`."""
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"{len(text)} characters")
        return _Reader(load).codec(ast.parse(text, mode="eval").body)
    except ElementTypeError:
        raise
    # Of a text that is none, it is not documented what is raised.
    except Exception as error:
        shown = text if len(text) < 80 else f"{text[:80]}..."
        raise ElementTypeError(f"{shown!r} is no element type: {error}") from error


def label_of_text(text: str) -> str:
    """A text without the fields of classes in it; the text itself if it is none.

    Examples:
        >>> label_of_text("list[dataclass('faces:Face', {'x': float})]")
        'list[Face]'
    """
    try:
        return codec_of_text(text).label
    except ElementTypeError:
        return text


class _Reader:
    def __init__(self, load: bool) -> None:
        self._load = load

    def codec(self, node: ast.expr) -> StructuredCodec:
        match node:
            case ast.Constant(value=None):
                return NoneCodec()
            case ast.Constant(value=str(name)) | ast.Name(id=name):
                return self._named(name, isinstance(node, ast.Name))
            case ast.Attribute(value=ast.Name(id="datetime"), attr=name):
                return _TIMES[f"datetime.{name}"]
            case ast.Subscript(
                value=ast.Attribute(value=ast.Name(id="datetime"), attr="datetime"),
                slice=ast.Constant(value=str(zone)),
            ):
                zone_of(zone)
                return DatetimeCodec(zone)
            case ast.Attribute(value=ast.Name(id="numpy"), attr=dtype):
                return NumberCodec(_dtype(dtype))
            case ast.BinOp(left=item, op=ast.BitOr(), right=ast.Constant(value=None)):
                return optional(self.codec(item))
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=parts)):
                return self._generic(name, parts)
            case ast.Subscript(value=ast.Name(id=name), slice=part):
                return self._generic(name, [part])
            case ast.Call(
                func=ast.Name(id=kind),
                args=[ast.Constant(value=str(path)), about],
                keywords=[],
            ):
                return self._class(kind, path, about)
        raise ValueError(f"it has {ast.unparse(node)[:80]!r}")

    def _named(self, name: str, is_bare: bool) -> StructuredCodec:
        if is_bare and name in CLASSES:
            return leaf(CLASSES[name])
        found = registered_name(name)
        codec = found.codec
        is_whole = isinstance(codec, StructuredCodec) and codec.text == found.name
        return codec if is_whole else LeafCodec(found)

    def _generic(self, name: str, parts: list[ast.expr]) -> StructuredCodec:
        match name, parts:
            case "list", [item]:
                return ListCodec(self.codec(item))
            case "tuple", [item, ast.Constant(value=value)] if value is Ellipsis:
                return ListCodec(self.codec(item), tuple)
            case "tuple", [_, *_]:
                return TupleCodec(tuple(map(self.codec, parts)))
            case "dict", [key, item]:
                return DictCodec(self.codec(key), self.codec(item))
            case "Literal", [_, *_]:
                values = tuple(map(ast.literal_eval, parts))
                return literal(values)
            case "array", [ast.Name(id=dtype), *sides]:
                shape = Shape(*map(ast.literal_eval, sides))
                return ShapedArrayCodec(_dtype(dtype), shape.sides)
        raise ValueError(f"{name}[...] with {len(parts)} parts")

    def _class(self, kind: str, path: str, about: ast.expr) -> StructuredCodec:
        if kind in (ENUM, FLAG):
            members = tuple(map(str, ast.literal_eval(about)))
            cls = self._find(path, kind, members)
            return EnumCodec(path, kind, cls, members)
        if not isinstance(about, ast.Dict):
            raise ValueError(f"{kind} has no fields")
        names = tuple(str(ast.literal_eval(key)) for key in about.keys if key)
        if kind == "typed_dict":
            parts = [self._key(value) for value in about.values]
            fields = [(name, *part) for name, part in zip(names, parts, strict=True)]
            return TypedDictCodec(path, tuple(fields))
        if kind not in (DATACLASS, NAMED_TUPLE):
            raise ValueError(f"it has {kind!r}")
        codecs = [self.codec(value) for value in about.values]
        cls = self._find(path, kind, names)
        return RecordCodec(path, kind, cls, tuple(zip(names, codecs, strict=True)))

    def _key(self, node: ast.expr) -> tuple[StructuredCodec, bool]:
        match node:
            case ast.Subscript(value=ast.Name(id="NotRequired"), slice=item):
                return self.codec(item), False
        return self.codec(node), True

    def _find(self, path: str, kind: str, names: tuple[str, ...]) -> type | None:
        return find_class(path, kind, names, load=True) if self._load else None


def _dtype(name: str) -> str:
    if name not in DTYPES:
        raise ValueError(f"dtype {name!r}")
    return name
