"""Views of the table that make searching fast; disposable, rebuilt from the table, following its versions."""
