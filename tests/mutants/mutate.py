"""Rewrites comparisons and negations of Rust sources so that one of them at a time can be flipped in a run.

usage: mutate.py FILE...      rewrites the files in place, and prints NUMBER FILE:LINE COMPARISON for each
"""

import sys

import tree_sitter_rust
from tree_sitter import Language, Parser

COMPARISONS = {b"<", b"<=", b">", b">=", b"==", b"!="}


def comparisons(node):
    """The comparisons and negations below a node, but those of tests and of constants."""
    if node.type in {"const_item", "static_item", "token_tree", "attribute_item", "type_arguments"}:
        return
    if node.type == "mod_item" and node.child_by_field_name("name").text == b"tests":
        return
    if node.type == "function_item" and any(b"const" in child.text for child in node.children if child.type == "function_modifiers"):
        return
    if node.type == "unary_expression" and node.text.startswith(b"!"):
        yield node
    if node.type == "binary_expression" and node.child_by_field_name("operator").text in COMPARISONS:
        yield node
    for child in node.children:
        yield from comparisons(child)


def main(files):
    parser = Parser(Language(tree_sitter_rust.language()))
    number = 0
    for file in files:
        with open(file, "rb") as source:
            text = source.read()
        edits = []
        for node in comparisons(parser.parse(text).root_node):
            number += 1
            print(number, f"{file}:{node.start_point[0] + 1}", " ".join(node.text.decode().split()))
            edits.append((node.start_byte, 1, f"crate::mutants::flipped({number}, ".encode()))
            edits.append((node.end_byte, 0, b")"))
        for place, _, piece in sorted(edits, reverse=True):
            text = text[:place] + piece + text[place:]
        with open(file, "wb") as out:
            out.write(text)


main(sys.argv[1:])
