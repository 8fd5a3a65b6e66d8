-- Statements whose rows, types and errors must be the same with Pilaster as without, over the tables of fixture.rs.
-- Each ends with a semicolon; one that ends in ORDER BY is compared in order, the others as a multiset of rows.

SELECT count(*) FROM fact WHERE id >= 0;
SELECT count(*), count(small), sum(small), min(big), max(big), avg(big) FROM fact WHERE small > 0;
SELECT sum(price * rate) FROM fact WHERE day >= DATE '1992-06-01' AND rate BETWEEN 0.03 AND 0.05 AND small < 2;
SELECT flag, good, sum(price), avg(price), sum(price * (1 - rate)), count(*) FROM fact GROUP BY flag, good ORDER BY flag, good;
SELECT flag, count(*) FROM fact WHERE day <= DATE '1997-01-01' GROUP BY flag ORDER BY flag DESC NULLS LAST;
SELECT name, sum(big), min(price), max(day) FROM fact GROUP BY name;
SELECT small, name, count(*) FROM fact WHERE name LIKE '%1_' GROUP BY small, name;
SELECT id, big + 1, price * 2, -small FROM fact WHERE name IN ('name 1', 'name 22') OR big IS NULL;
SELECT id FROM fact WHERE NOT good AND (small = 1 OR small IS NULL);
SELECT id, CASE WHEN small > 0 THEN 'up' WHEN small < 0 THEN 'down' END AS way FROM fact WHERE id < 100 ORDER BY id;
SELECT CAST(price AS DECIMAL(10, 1)), CAST(small AS BIGINT), CAST(big AS DOUBLE) FROM fact WHERE id < 500;
SELECT flag, min(name), max(name), min(ratio), max(ratio) FROM fact GROUP BY flag;
SELECT sum(ratio), avg(ratio) FROM fact;
SELECT day, price FROM fact WHERE ratio > 120 ORDER BY price DESC NULLS FIRST, id LIMIT 17;
SELECT big FROM fact ORDER BY big NULLS FIRST, id;
SELECT sum(small) FILTER (WHERE good), count(*) FILTER (WHERE price < 0) FROM fact;
SELECT * FROM fact WHERE id = 12345;
SELECT count(*) FROM fact WHERE id < 0;
SELECT flag, sum(price) FROM fact WHERE id < 0 GROUP BY flag;
SELECT sum(small), avg(price), min(day), max(name) FROM fact WHERE id < 0;
-- An operator in the middle that stays with DataFusion.
SELECT label, sum(price), count(*) FROM fact JOIN dim ON small = key GROUP BY label ORDER BY label;
SELECT label, max(big) FROM (SELECT small, big FROM fact WHERE big > 5) JOIN dim ON small = key GROUP BY label;
-- Functions that we have no kernel for.
SELECT upper(flag), sum(abs(small)) FROM fact WHERE length(name) > 6 GROUP BY upper(flag);
SELECT id, row_number() OVER (ORDER BY id) FROM fact WHERE small = 2 ORDER BY id;
SELECT flag, count(DISTINCT small) FROM fact GROUP BY flag;
SELECT small FROM fact WHERE id < 50 UNION ALL SELECT key FROM dim WHERE key > 0;
SELECT DISTINCT flag, good FROM fact;
SELECT big % 7, big / 3 FROM fact WHERE big <> 0;
SELECT id FROM fact WHERE price > (SELECT avg(price) FROM fact);
SELECT sum(big) FROM fact HAVING count(*) > 5;
SELECT id FROM fact WHERE name >= 'name 49' ORDER BY id LIMIT 7;
