"""What does the total of a shopping list depend on most? A graph of Mul and Add layers, walked both ways.

    total = (apple_price * apple_count + orange_price * orange_count) * tax

Two apples at 100 and three oranges at 150, with 10 % tax, cost 715. The gradients say, for instance, that
apples dearer by 1 raise the total by 2.2, and that one more orange raises it by 165. Run it with
``python -m reference_impls.examples.apple_and_orange_shop``.
"""

from reference_impls.layers import Add, Mul


def total_and_gradients(
    apple_price: float = 100.0,
    apple_count: float = 2.0,
    orange_price: float = 150.0,
    orange_count: float = 3.0,
    tax: float = 1.1,
) -> tuple[float, dict[str, float]]:
    """Return the total and its gradient with respect to each argument, by the argument's name."""
    apples, oranges, fruit, taxed = Mul(), Mul(), Add(), Mul()

    apple_total = apples.forward(apple_price, apple_count)
    orange_total = oranges.forward(orange_price, orange_count)
    fruit_total = fruit.forward(apple_total, orange_total)
    total = taxed.forward(fruit_total, tax)

    # Backward visits the same layers in reverse, starting from d(total)/d(total) = 1.
    d_fruit_total, d_tax = taxed.backward(1.0)
    d_apple_total, d_orange_total = fruit.backward(d_fruit_total)
    d_orange_price, d_orange_count = oranges.backward(d_orange_total)
    d_apple_price, d_apple_count = apples.backward(d_apple_total)

    gradients = {
        "apple_price": float(d_apple_price),
        "apple_count": float(d_apple_count),
        "orange_price": float(d_orange_price),
        "orange_count": float(d_orange_count),
        "tax": float(d_tax),
    }
    return float(total), gradients


def main() -> None:
    """Print the total and the gradients."""
    total, gradients = total_and_gradients()
    print(f"total: {total:g}")
    for name, gradient in gradients.items():
        print(f"d(total)/d({name}): {gradient:g}")


if __name__ == "__main__":
    main()
