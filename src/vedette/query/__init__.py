"""Questions to the events: languages -> one syntax tree -> ClickHouse SQL or a Python predicate.

`hunt` and `kata` read text; `terms` turns a name, an operator and a value into nodes of `ast`; `sql` compiles a tree
to statements with bound values; `predicate` answers the same question for one event; `search` walks time, newest first.
"""
