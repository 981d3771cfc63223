"""Source to code: parses generated modules with ast, rewrites the trees, prints, compiles and runs them."""

import ast
import sys

FUNCTION = '''
def handler_{n}(request, limit=10, *rest, **options):
    """Answers request {n}."""
    total, names = {n} + 3 * 4, ["a", "b", f"{{request}}!"]
    for index, item in enumerate(request):
        if item % 3 == {n} % 3 and not options.get("strict", False):
            total += sum(x * x for x in range(item) if x % 2) - (2 + 5) * 3
        elif item > limit:
            try:
                total -= names[index % 3].count("a") // (item - limit)
            except ZeroDivisionError as error:
                total = -1
        else:
            total ^= {{"left": 1, "right": [2, (3, 4)]}}["left"] << 2
    return lambda extra: total + extra * (7 - 4)
'''


class Fold(ast.NodeTransformer):
    """Replaces sums, differences and products of constants by their value."""

    operations = {ast.Add: int.__add__, ast.Sub: int.__sub__, ast.Mult: int.__mul__}

    def visit_BinOp(self, node):
        self.generic_visit(node)
        operation = self.operations.get(type(node.op))
        operands = (node.left, node.right)
        if operation and all(isinstance(o, ast.Constant) and isinstance(o.value, int) for o in operands):
            return ast.copy_location(ast.Constant(operation(node.left.value, node.right.value)), node)
        return node


def main(scale):
    check = 0
    for turn in range(max(1, round(7 * scale))):
        source = "".join(FUNCTION.format(n=turn * 100 + n) for n in range(70))
        tree = Fold().visit(ast.parse(source))
        nodes = sum(1 for _ in ast.walk(tree))
        text = ast.unparse(tree)
        names = {}
        exec(compile(ast.parse(text), f"module{turn}", "exec"), names)
        results = [names[name]([1, 5, 12])(2) for name in names if name.startswith("handler_")]
        check += sum(results) + len(results) + text.count("\n") + (nodes > 10000)
    print(f"checksum compiler {check}")


main(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0)
