"""Language models that grade replies or read answers out of them."""
