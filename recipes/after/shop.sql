create table item (name text, price real, stock integer);
insert into item values
  ('pen', 1.5, 10), ('ink', 4.5, 3), ('pad', 3, 7), ('map', 2.5, 0), ('globe', 20, 1);
