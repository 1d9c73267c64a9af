"""Images that are the same bytes wherever they are made: layers, wheels, bases, and what is attested of them."""
