"""How answers look: sentences, tables, values, the screen."""
