-- Aggregations that Pilaster takes in whole, over the tables of fixture.rs; rows are compared as a multiset. Results of
-- division and roots are rounded in SQL: their last places may differ.

SELECT flag, bool_and(good), bool_or(good), bool_and(good) FILTER (WHERE small > 5) FROM fact GROUP BY flag;
SELECT flag, bit_and(small), bit_or(big), bit_xor(id) FROM fact GROUP BY flag;
SELECT DISTINCT small, flag, good FROM fact;
SELECT flag, grouping(flag), count(*), sum(price) FROM fact GROUP BY ROLLUP(flag);
SELECT flag, good, small, grouping(flag, good, small), count(*), sum(price), avg(price), max(name) FROM fact GROUP BY CUBE(flag, good, small);
SELECT flag, count(*) FROM fact GROUP BY GROUPING SETS ((flag), (flag), ());
SELECT flag, small, count(*) FROM fact WHERE id < 0 GROUP BY ROLLUP(flag, small);
SELECT small, flag, sum(price) FILTER (WHERE good), grouping(small) FROM fact GROUP BY ROLLUP(small, flag) HAVING count(*) > 100;
